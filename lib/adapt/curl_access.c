#include "lib/adapt/curl_access.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- addresses ----------------------------------------------------------- */

/* IPv4 networks of RFC 6890 that are not global, and multicast. */
static bool
is_private_v4(uint32_t host)
{
	static const struct {
		uint32_t network;
		unsigned bits;
	} networks[] = {
		{ 0x00000000, 8 },  /* this network */
		{ 0x0a000000, 8 },  /* private */
		{ 0x64400000, 10 }, /* shared, of providers */
		{ 0x7f000000, 8 },  /* loopback */
		{ 0xa9fe0000, 16 }, /* link-local */
		{ 0xac100000, 12 }, /* private */
		{ 0xc0000000, 24 }, /* of the protocol */
		{ 0xc0000200, 24 }, /* documentation */
		{ 0xc0a80000, 16 }, /* private */
		{ 0xc6120000, 15 }, /* benchmarks */
		{ 0xc6336400, 24 }, /* documentation */
		{ 0xcb007100, 24 }, /* documentation */
		{ 0xe0000000, 3 },  /* multicast, reserved, broadcast */
	};

	for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++)
		if (host >> (32 - networks[i].bits) ==
		    networks[i].network >> (32 - networks[i].bits))
			return true;
	return false;
}

static uint32_t
read_v4(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
	    (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Only 2000::/3 is given out; some of it stands for IPv4 addresses. */
static bool
is_private_v6(const uint8_t *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };

	if (memcmp(a, mapped, sizeof(mapped)) == 0 ||
	    memcmp(a, nat64, sizeof(nat64)) == 0)
		return is_private_v4(read_v4(a + 12));
	if (a[0] == 0x20 && a[1] == 0x02) /* 6to4 */
		return is_private_v4(read_v4(a + 2));
	if (a[0] == 0x20 && a[1] == 0x01 && a[2] < 0x02) /* Teredo, ORCHID */
		return true;
	if (a[0] == 0x20 && a[1] == 0x01 && a[2] == 0x0d && a[3] == 0xb8)
		return true; /* documentation */
	return (a[0] & 0xe0) != 0x20;
}

bool
vm_access_is_private(const struct sockaddr *address)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (address->sa_family == AF_INET) {
		memcpy(&v4, address, sizeof(v4));
		return is_private_v4(ntohl(v4.sin_addr.s_addr));
	}
	if (address->sa_family != AF_INET6)
		return true;
	memcpy(&v6, address, sizeof(v6));
	return is_private_v6(v6.sin6_addr.s6_addr);
}

/* Called with the address that libcurl is about to connect to. */
static curl_socket_t
open_public(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct vm_access_guard *guard = arg;
	const struct sockaddr *at = &address->addr;
	const void *bytes = at->sa_family == AF_INET6 ?
	    (const char *)at + offsetof(struct sockaddr_in6, sin6_addr) :
	    (const char *)at + offsetof(struct sockaddr_in, sin_addr);

	(void)purpose;
	if (!vm_access_is_private(at))
		return socket(address->family, address->socktype | SOCK_CLOEXEC,
		    address->protocol);
	if (inet_ntop(at->sa_family, bytes, guard->refused,
		sizeof(guard->refused)) == NULL)
		snprintf(guard->refused, sizeof(guard->refused), "unknown");
	return CURL_SOCKET_BAD;
}

/* --- the handle ---------------------------------------------------------- */

static void
identify(CURL *curl, const struct vm_http_access *access)
{
	if (access->cert_file != NULL) {
		curl_easy_setopt(curl, CURLOPT_SSLCERT, access->cert_file);
		curl_easy_setopt(curl, CURLOPT_SSLKEY,
		    access->key_file != NULL ? access->key_file :
					       access->cert_file);
		/* or OpenSSL asks the terminal for it */
		curl_easy_setopt(curl, CURLOPT_KEYPASSWD, "");
	}
	if (access->token != NULL) {
		curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
		curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, access->token);
	} else if (access->user != NULL) {
		curl_easy_setopt(curl, CURLOPT_USERNAME, access->user);
		curl_easy_setopt(curl, CURLOPT_PASSWORD, access->password);
	}
}

void
vm_access_apply(CURL *curl, const struct vm_http_access *access, bool ours,
    struct vm_access_guard *guard)
{
	guard->refused[0] = '\0';
	if (access->ca_file != NULL)
		curl_easy_setopt(curl, CURLOPT_CAINFO, access->ca_file);
	if (access->no_private) {
		curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_public);
		curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, guard);
		curl_easy_setopt(curl, CURLOPT_PROXY, "");
	}
	if (ours)
		identify(curl, access);
}
