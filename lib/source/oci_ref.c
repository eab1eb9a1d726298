#include "lib/source/oci_ref.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/size.h"

#define SCHEME "oci://"
#define SCHEME_LEN (sizeof(SCHEME) - 1)
#define LOWER "abcdefghijklmnopqrstuvwxyz0123456789"
#define ALNUM LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define HUB "docker.io"
#define HUB_HOST "registry-1.docker.io"

bool
vm_oci_is_url(const char *text)
{
	return strncmp(text, SCHEME, SCHEME_LEN) == 0;
}

static int
refuse(const char *text, const char *why, struct vm_error *err)
{
	return vm_error_set(err, VM_E_USAGE, "bad_url",
	    "%.200s: %s; like oci://REGISTRY/REPOSITORY[:TAG|@sha256:HEX]",
	    text, why);
}

/* host, host:port or [::1]:port */
static bool
is_host(const char *host)
{
	size_t len = host[0] == '[' ?
	    1 + strspn(host + 1, "0123456789abcdefABCDEF:.") :
	    strspn(host, ALNUM ".-");
	uint64_t port;

	if (host[0] == '[' && host[len++] != ']')
		return false;
	if (len == 0 || host[0] == '-' || host[0] == '.' || len > 253)
		return false;
	return host[len] == '\0' ||
	    (host[len] == ':' &&
		vm_size_parse_number(host + len + 1, 1, 65535, &port, NULL) ==
		    0);
}

/* Components of lower-case words, joined by ".", "_", "__" or hyphens. */
static bool
is_repository(const char *name)
{
	for (;;) {
		size_t word = strspn(name, LOWER), joint;

		name += word;
		joint = strspn(name, "._-");
		if (word == 0)
			return false;
		if (joint > 1 && strspn(name, "-") != joint &&
		    (joint != 2 || strspn(name, "_") != 2))
			return false;
		name += joint;
		if (joint > 0)
			continue;
		if (*name == '\0')
			return true;
		if (*name++ != '/')
			return false;
	}
}

static bool
is_tag(const char *tag)
{
	size_t len = strspn(tag, ALNUM "._-");

	return len > 0 && len <= 128 && tag[len] == '\0' && tag[0] != '.' &&
	    tag[0] != '-';
}

static bool
is_digest(const char *text)
{
	return strncmp(text, "sha256:", 7) == 0 && strlen(text) == 71 &&
	    strspn(text + 7, "0123456789abcdef") == 64;
}

/* Cut the copy of what comes behind the registry: @DIGEST or :TAG. */
static int
take_reference(const char *text, char *repository, struct vm_oci_ref *ref,
    struct vm_error *err)
{
	char *at = strchr(repository, '@'), *colon;

	if (at != NULL) {
		*at++ = '\0';
		if (!is_digest(at))
			return refuse(text, "no sha256: digest", err);
		ref->is_digest = true;
	}
	colon = strchr(repository, ':'); /* beside a digest it says nothing */
	if (colon != NULL) {
		*colon++ = '\0';
		if (!is_tag(colon))
			return refuse(text, "no tag", err);
	}
	snprintf(ref->reference, sizeof(ref->reference), "%s",
	    at != NULL	      ? at :
		colon != NULL ? colon :
				"latest");
	return 0;
}

int
vm_oci_ref_parse(const char *text, struct vm_oci_ref *ref, struct vm_error *err)
{
	const char *name = vm_oci_is_url(text) ? text + SCHEME_LEN : "";
	size_t len = strcspn(name, "/");
	struct vm_oci_ref made = { 0 };
	char rest[512];
	bool is_hub;

	if (name[len] == '\0' || len >= sizeof(made.name) ||
	    strlen(name + len) > sizeof(rest))
		return refuse(text, "no registry or no repository", err);
	snprintf(made.name, sizeof(made.name), "%.*s", (int)len, name);
	if (!is_host(made.name))
		return refuse(text, "no registry's name", err);
	snprintf(rest, sizeof(rest), "%s", name + len + 1);
	if (take_reference(text, rest, &made, err) == -1)
		return -1;
	is_hub = strcmp(made.name, HUB) == 0;
	if (!is_repository(rest) || strlen(rest) > 240)
		return refuse(text, "no repository's name", err);
	snprintf(made.host, sizeof(made.host), "%s",
	    is_hub ? HUB_HOST : made.name);
	snprintf(made.repository, sizeof(made.repository), "%s%.240s",
	    is_hub && strchr(rest, '/') == NULL ? "library/" : "", rest);
	*ref = made;
	return 0;
}

int
vm_oci_check(const char *text, struct vm_error *err)
{
	struct vm_oci_ref ref;

	return vm_oci_ref_parse(text, &ref, err);
}

bool
vm_oci_is_loopback(const struct vm_oci_ref *ref)
{
	const char *host = ref->host;
	size_t len = host[0] == '[' ? strcspn(host, "]") + 1 :
				      strcspn(host, ":");

	return (len == 9 && strncmp(host, "localhost", 9) == 0) ||
	    (len == 5 && strncmp(host, "[::1]", 5) == 0) ||
	    (strncmp(host, "127.", 4) == 0 &&
		strspn(host, "0123456789.") == len);
}

size_t
vm_oci_name_length(const char *text)
{
	size_t len = strcspn(text, "@");

	return len > 7 && strncmp(text + len - 7, ":latest", 7) == 0 ? len - 7 :
								       len;
}
