#include "lib/source/ssh_url.h"

#include <ctype.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/size.h"

#define SCHEME "ssh://"
#define ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define PATH_MAX_LEN 4000

static int
refuse(const char *text, const char *why, struct vm_error *err)
{
	return vm_error_set(err, VM_E_USAGE, "bad_url", "%.200s: %s", text,
	    why);
}

/* One word of these characters that begins with a letter, a digit or _. */
static bool
copy_word(char *out, size_t size, const char *from, size_t len,
    const char *others)
{
	if (len == 0 || len >= size || strchr(ALNUM "_", from[0]) == NULL)
		return false;
	memcpy(out, from, len);
	out[len] = '\0';
	for (size_t i = 0; i < len; i++)
		if (strchr(ALNUM, out[i]) == NULL &&
		    strchr(others, out[i]) == NULL)
			return false;
	return true;
}

static int
parse_port(const char *text, const char *from, size_t len,
    struct vm_ssh_url *url, struct vm_error *err)
{
	char digits[sizeof(url->port)];
	uint64_t port;

	if (len == 0 || len >= sizeof(digits))
		return refuse(text, "no port number", err);
	snprintf(digits, sizeof(digits), "%.*s", (int)len, from);
	if (vm_size_parse_number(digits, 1, 65535, &port, NULL) == -1)
		return refuse(text, "no port number", err);
	snprintf(url->port, sizeof(url->port), "%u", (unsigned)port);
	return 0;
}

/* [::1] or host, then a port perhaps. */
static int
parse_host(const char *text, const char *from, size_t len,
    struct vm_ssh_url *url, struct vm_error *err)
{
	const char *end = from[0] == '[' ? memchr(from, ']', len) :
					   memchr(from, ':', len);
	size_t host = end == NULL ? len : (size_t)(end - from);

	if (from[0] == '[') {
		if (end == NULL || host < 3 || host > 46 ||
		    strspn(from + 1, "0123456789abcdefABCDEF:.") != host - 1)
			return refuse(text, "no IPv6 address", err);
		memcpy(url->host, from + 1, host - 1);
		url->host[host - 1] = '\0';
		host++;
		if (host < len && from[host] != ':')
			return refuse(text, "no host", err);
	} else if (!copy_word(url->host, sizeof(url->host), from, host,
		       "._-")) {
		return refuse(text,
		    "a host is letters, digits, dots, hyphens and _, and does "
		    "not begin with a hyphen",
		    err);
	}
	return host >= len ?
	    0 :
	    parse_port(text, from + host + 1, len - host - 1, url, err);
}

static int
parse_authority(const char *text, const char *from, size_t len,
    struct vm_ssh_url *url, struct vm_error *err)
{
	const char *at = memchr(from, '@', len);
	size_t user = at == NULL ? 0 : (size_t)(at - from);

	if (at == NULL)
		return parse_host(text, from, len, url, err);
	if (memchr(from, ':', user) != NULL)
		return vm_error_set(err, VM_E_USAGE, "bad_url",
		    "ssh: a password in a URL is shown to everybody; use a key "
		    "(ssh-keygen, ssh-copy-id)");
	if (!copy_word(url->user, sizeof(url->user), from, user, "._-"))
		return refuse(text,
		    "a user is letters, digits, dots, hyphens and _, and does "
		    "not begin with a hyphen",
		    err);
	return parse_host(text, at + 1, len - user - 1, url, err);
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* %XX decoded in place; false for what is no path. */
static bool
decode(char *path)
{
	char *to = path;

	for (const char *from = path; *from != '\0'; from++) {
		char c = *from;

		if (c == '%') {
			int high = hex_digit(from[1]);
			int low = high == -1 ? -1 : hex_digit(from[2]);

			if (low == -1)
				return false;
			c = (char)(high << 4 | low);
			from += 2;
		}
		if ((unsigned char)c < ' ' || c == 0x7f)
			return false;
		*to++ = c;
	}
	*to = '\0';
	return true;
}

static int
parse_path(const char *text, const char *from, struct vm_ssh_url *url,
    struct vm_error *err)
{
	bool home = strncmp(from, "/~/", 3) == 0;

	if (strlen(from) > PATH_MAX_LEN || strpbrk(from, "?#") != NULL)
		return refuse(text,
		    "no path (in a URL ? is written %3F, and # is %23)", err);
	url->path = vm_buf_printf(err, "%s%s", home ? "./" : "",
	    from + (home ? 3 : 0));
	if (url->path == NULL)
		return -1;
	if (!decode(url->path) || url->path[strlen(url->path) - 1] == '/')
		return refuse(text, "no path of a file", err);
	return 0;
}

int
vm_ssh_url_parse(const char *text, struct vm_ssh_url *url, struct vm_error *err)
{
	const char *from = text + strlen(SCHEME);
	struct vm_ssh_url made VM_CLEAN_SSH_URL = { 0 };
	size_t len;

	if (strncmp(text, SCHEME, strlen(SCHEME)) != 0)
		return refuse(text, "not ssh://", err);
	len = strcspn(from, "/");
	if (from[len] == '\0')
		return refuse(text, "not ssh://[USER@]HOST[:PORT]/PATH", err);
	if (parse_authority(text, from, len, &made, err) == -1 ||
	    parse_path(text, from + len, &made, err) == -1)
		return -1;
	*url = made;
	made = (struct vm_ssh_url){ 0 };
	return 0;
}

/* A word for the other side's shell, whichever it is. */
static int
add_quoted(struct vm_buf *out, const char *word, struct vm_error *err)
{
	if (vm_buf_add(out, "'", 1, err) == -1)
		return -1;
	for (; *word != '\0'; word++) {
		bool quote = *word == '\'';

		if (vm_buf_add(out, quote ? "'\\''" : word, quote ? 4 : 1,
			err) == -1)
			return -1;
	}
	return vm_buf_add(out, "'", 1, err);
}

char *
vm_ssh_url_command(const struct vm_ssh_url *url, uint64_t offset,
    struct vm_error *err)
{
	static const char script[] =
	    "test -e \"$1\" || exit 66; test -f \"$1\" || exit 65; "
	    "test -r \"$1\" || exit 77; wc -c <\"$1\" || exit 77; "
	    "exec tail -c \"+$2\" -- \"$1\"";
	VM_CLEAN_BUF struct vm_buf out = { 0 };

	if (vm_buf_add_string(&out, "sh -c ", err) == -1 ||
	    add_quoted(&out, script, err) == -1 ||
	    vm_buf_add_string(&out, " sh ", err) == -1 ||
	    add_quoted(&out, url->path, err) == -1 ||
	    vm_buf_format(&out, err, " %llu", (unsigned long long)offset + 1) ==
		-1)
		return NULL;
	return vm_buf_take(&out, err);
}

void
vm_ssh_url_release(struct vm_ssh_url *url)
{
	free(url->path);
	*url = (struct vm_ssh_url){ 0 };
}
