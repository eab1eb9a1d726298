#include "lib/source/oci_auth.h"

#include <sys/stat.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>

#include "lib/adapt/crypto_sign.h"
#include "lib/adapt/json.h"
#include "lib/base/fd.h"

#define FILE_MAX ((size_t)1 << 20)
#define SECRET_MAX ((size_t)16 << 10)

/* --- credentials --------------------------------------------------------- */

/* Is the entry's name, as docker or podman wrote it, this registry's? */
static bool
is_of(const char *name, const struct vm_oci_ref *ref)
{
	size_t len;

	if (strncmp(name, "https://", 8) == 0)
		name += 8;
	len = strcspn(name, "/");
	if (strcmp(ref->name, "docker.io") == 0 && len == 15 &&
	    strncmp(name, "index.docker.io", 15) == 0)
		return true;
	if (strlen(ref->name) != len || strncmp(name, ref->name, len) != 0)
		return false;
	if (name[len] == '\0' || strncmp(name + len, "/v", 2) == 0)
		return true;
	name += len + 1; /* podman: for a part of the registry only */
	len = strlen(name);
	return strncmp(ref->repository, name, len) == 0 &&
	    (ref->repository[len] == '\0' || ref->repository[len] == '/');
}

/* "dXNlcjpwYXNzd29yZA==" */
static int
decode(const char *text, const char *path, struct vm_buf *secret,
    struct vm_http_access *access, struct vm_error *err)
{
	char *colon;
	long len;

	if (vm_buf_reserve(secret, SECRET_MAX, err) == -1)
		return -1;
	len = vm_sign_decode(text, strlen(text), (unsigned char *)secret->data,
	    SECRET_MAX - 1);
	if (len > 0) {
		secret->data[len] = '\0';
		secret->len = (size_t)len;
		colon = strchr(secret->data, ':');
		if (colon != NULL && strlen(secret->data) == secret->len) {
			*colon = '\0';
			access->user = secret->data;
			access->password = colon + 1;
			return 1;
		}
	}
	return vm_error_set(err, VM_E_CONFIG, "bad_auth_file",
	    "%s: an auth that is not base64 of user:password", path);
}

/* The entry that says most about where the repository is. */
static const char *
find_entry(const struct vm_json *auths, const struct vm_oci_ref *ref)
{
	const char *found = NULL;
	size_t best = 0;

	for (void *it = vm_json_first(auths); it != NULL;
	     it = vm_json_next(auths, it)) {
		const char *auth = vm_json_string(vm_json_value(it), "auth",
		    "");

		if (auth[0] == '\0' || !is_of(vm_json_key(it), ref) ||
		    strlen(vm_json_key(it)) < best)
			continue;
		found = auth;
		best = strlen(vm_json_key(it));
	}
	return found;
}

/* 1 found, 0 not there or nothing in it, -1. */
static int
look_into(const char *path, const struct vm_oci_ref *ref, struct vm_buf *secret,
    struct vm_http_access *access, struct vm_error *err)
{
	VM_CLEAN_FD int fd = open(path,
	    O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	struct vm_json *json VM_CLEAN_JSON = NULL;
	const char *auth;
	int result = 0;

	if (fd == -1)
		return errno == ENOENT || errno == ENOTDIR ?
		    0 :
		    vm_error_errno(err, errno, "%s", path);
	if (vm_buf_reserve(&text, FILE_MAX + 1, err) == -1 ||
	    vm_fd_slurp(fd, FILE_MAX, &text, path, err) == -1)
		return -1;
	json = vm_json_parse(text.data, text.len, NULL);
	explicit_bzero(text.data, text.len);
	if (json == NULL)
		return vm_error_set(err, VM_E_CONFIG, "bad_auth_file",
		    "%s: not JSON", path);
	auth = find_entry(vm_json_get(json, "auths"), ref);
	if (auth != NULL)
		result = decode(auth, path, secret, access, err);
	return result;
}

int
vm_oci_auth_find(const struct vm_oci_ref *ref, struct vm_buf *secret,
    struct vm_http_access *access, struct vm_error *err)
{
	static const struct {
		const char *variable, *rest;
	} places[] = {
		{ "XDG_RUNTIME_DIR", "/containers/auth.json" },
		{ "HOME", "/.config/containers/auth.json" },
		{ "DOCKER_CONFIG", "/config.json" },
		{ "HOME", "/.docker/config.json" },
	};
	const char *named = getenv("REGISTRY_AUTH_FILE");
	int found = 0;

	if (named != NULL && named[0] != '\0')
		return look_into(named, ref, secret, access, err) == -1 ? -1 :
									  0;
	for (size_t i = 0; found == 0 && i < sizeof(places) / sizeof(places[0]);
	     i++) {
		const char *directory = getenv(places[i].variable);
		char *path VM_CLEAN_FREE = NULL;

		if (directory == NULL || directory[0] == '\0')
			continue;
		path = vm_buf_printf(err, "%s%s", directory, places[i].rest);
		found = path == NULL ?
		    -1 :
		    look_into(path, ref, secret, access, err);
	}
	return found == -1 ? -1 : 0;
}

/* --- challenges ---------------------------------------------------------- */

static int
refuse(struct vm_error *err)
{
	return vm_error_set(err, VM_E_PROTOCOL, "bad_challenge",
	    "the registry does not say where to get a token");
}

/* One of name="value" or name=value; NULL when it is none. */
static const char *
read_parameter(const char *text, char name[32], char value[512])
{
	size_t len = strcspn(text, "=,\" "), used = 0;
	bool quoted;

	if (len == 0 || len >= 32 || text[len] != '=')
		return NULL;
	snprintf(name, 32, "%.*s", (int)len, text);
	text += len + 1;
	quoted = *text == '"';
	text += quoted;
	for (; *text != '\0' && *text != (quoted ? '"' : ','); text++) {
		if (quoted && text[0] == '\\' && text[1] != '\0')
			text++;
		if (used == 511)
			return NULL;
		value[used++] = *text;
	}
	value[used] = '\0';
	if (quoted && *text++ != '"')
		return NULL;
	return text;
}

int
vm_oci_auth_parse(const char *header, struct vm_oci_challenge *challenge,
    struct vm_error *err)
{
	struct vm_oci_challenge made = { 0 };
	char name[32], value[512];

	if (strncasecmp(header, "basic ", 6) == 0 ||
	    strcasecmp(header, "basic") == 0) {
		*challenge = made;
		return 0;
	}
	if (strncasecmp(header, "bearer ", 7) != 0)
		return refuse(err);
	made.bearer = true;
	header += 7;
	while (*(header += strspn(header, " ,\t")) != '\0') {
		header = read_parameter(header, name, value);
		if (header == NULL)
			return refuse(err);
		if (strcasecmp(name, "realm") == 0)
			memcpy(made.realm, value, sizeof(made.realm));
		else if (strcasecmp(name, "service") == 0 &&
		    strlen(value) < sizeof(made.service))
			memcpy(made.service, value, strlen(value) + 1);
	}
	if (made.realm[0] == '\0')
		return refuse(err);
	*challenge = made;
	return 0;
}
