/*
 * schema_text.c - the formats of single values that the tables share.
 *
 * A pattern is an extended regular expression in the subset that POSIX and
 * ECMA (JSON Schema) read alike: no classes by name, no look-ahead.
 */
#include <arpa/inet.h>

#include <string.h>

#include "lib/base/size.h"
#include "lib/record/schema.h"

#define LABEL "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"

/* ".." would leave the directory that a path is meant for. */
static int
check_path(const char *text, struct vm_error *err)
{
	const char *part = text;

	for (;;) {
		size_t len = strcspn(part, "/");

		if (len == 2 && part[0] == '.' && part[1] == '.')
			return vm_error_set(err, VM_E_DATA, "bad_value",
			    "\"..\" is not accepted in a path");
		if (part[len] == '\0')
			return 0;
		part += len + 1;
	}
}

static int
check_ip(const char *text, struct vm_error *err)
{
	unsigned char out[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, text, out) == 1 ||
	    inet_pton(AF_INET6, text, out) == 1)
		return 0;
	return vm_error_set(err, VM_E_DATA, "bad_value",
	    "\"%.60s\" is not an IP address", text);
}

/* ADDRESS/BITS of IPv4 or IPv6. */
static int
check_address(const char *text, struct vm_error *err)
{
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN];
	unsigned char out[sizeof(struct in6_addr)];
	uint64_t bits;

	if (slash == NULL || (size_t)(slash - text) >= sizeof(address))
		return vm_error_set(err, VM_E_DATA, "bad_value",
		    "\"%.60s\" has no prefix length, as in 10.0.0.5/24", text);
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	if (inet_pton(AF_INET, address, out) == 1)
		return vm_size_parse_number(slash + 1, 1, 32, &bits, err);
	if (inet_pton(AF_INET6, address, out) == 1)
		return vm_size_parse_number(slash + 1, 1, 128, &bits, err);
	return vm_error_set(err, VM_E_DATA, "bad_value",
	    "\"%.60s\" is not an IP address", address);
}

/* The least significant bit of the first byte marks a group (IEEE 802). */
static int
check_mac(const char *text, struct vm_error *err)
{
	if (strchr("13579bBdDfF", text[1]) == NULL)
		return 0;
	return vm_error_set(err, VM_E_DATA, "bad_value",
	    "%s is a multicast address", text);
}

const struct vm_schema vm_schema_text = {
	.kind = VM_SCHEMA_TEXT,
	.what = "text",
	.vars = true,
	.max = 1 << 20,
};

const struct vm_schema vm_schema_line = {
	.kind = VM_SCHEMA_TEXT,
	.what = "one line of text",
	.vars = true,
	.pattern = "^[^\r\n]+$",
	.max = 65536,
};

const struct vm_schema vm_schema_name = {
	.kind = VM_SCHEMA_TEXT,
	.what = "a name of at most 63 of a-z, 0-9 and -, not beginning with -",
	.pattern = "^[a-z0-9][a-z0-9-]{0,62}$",
};

/* A login or a group, as useradd(8) accepts it. */
const struct vm_schema vm_schema_word = {
	.kind = VM_SCHEMA_TEXT,
	.what = "a name of at most 32 of a-z, 0-9, _ and -, "
		"beginning with a letter or _",
	.pattern = "^[a-z_][a-z0-9_-]{0,31}$",
};

const struct vm_schema vm_schema_guest_path = {
	.kind = VM_SCHEMA_TEXT,
	.what = "an absolute path in the guest",
	.vars = true,
	.pattern = "^/[^\r\n]*$",
	.max = 4095,
	.check = check_path,
};

const struct vm_schema vm_schema_local_file = {
	.kind = VM_SCHEMA_TEXT,
	.what = "the name of a file on this host",
	.pattern = "^[^\r\n]+$",
	.max = 4095,
	.check = check_path,
};

const struct vm_schema vm_schema_sha256 = {
	.kind = VM_SCHEMA_TEXT,
	.what = "64 hexadecimal digits",
	.pattern = "^[0-9a-f]{64}$",
};

const struct vm_schema vm_schema_mode = {
	.kind = VM_SCHEMA_MODE,
	.what = "an octal mode such as 0644",
	.pattern = "^[0-7]{3,4}$",
};

static const char *const only_true[] = { "true", NULL };

/* For keys that only ever say yes: leaving them out says no. */
const struct vm_schema vm_schema_true = {
	.kind = VM_SCHEMA_BOOL,
	.what = "true",
	.words = only_true,
};

const struct vm_schema vm_schema_flag_value = {
	.kind = VM_SCHEMA_BOOL,
	.what = "true or false",
};

const struct vm_schema vm_schema_hostname = {
	.kind = VM_SCHEMA_TEXT,
	.what = "a host name of at most 64 letters, digits, - and .",
	.vars = true,
	.pattern = "^" LABEL "(\\." LABEL ")*$",
	.max = 64,
};

const struct vm_schema vm_schema_address = {
	.kind = VM_SCHEMA_TEXT,
	.what = "an address with its prefix length, as in 10.0.0.5/24",
	.vars = true,
	.max = 64,
	.check = check_address,
};

const struct vm_schema vm_schema_ip = {
	.kind = VM_SCHEMA_TEXT,
	.what = "an IP address",
	.max = 64,
	.check = check_ip,
};

const struct vm_schema vm_schema_mac = {
	.kind = VM_SCHEMA_TEXT,
	.what = "a MAC address as 52:54:00:12:34:56",
	.pattern = "^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$",
	.check = check_mac,
};

const struct vm_schema vm_schema_port = {
	.kind = VM_SCHEMA_NUMBER,
	.what = "a port, 1 to 65535",
	.min = 1,
	.max = 65535,
};

const struct vm_schema vm_schema_any_port = {
	.kind = VM_SCHEMA_NUMBER,
	.what = "a port, 0 (any free one) to 65535",
	.max = 65535,
};
