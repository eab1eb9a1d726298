#include "lib/source/auth.h"

#include <sys/stat.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/fd.h"

#define AUTH_MAX 16384

static int
check_mode(int fd, const char *file, struct vm_error *err)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return vm_error_errno(err, errno, "%s", file);
	if (!S_ISREG(st.st_mode) || (st.st_mode & S_IROTH) == 0)
		return 0;
	vm_error_set(err, VM_E_DENIED, "auth_readable",
	    "%s: everybody may read these credentials", file);
	return vm_error_hint(err, "chmod o= %s", file);
}

/* Printable, so that it can become no further line of a request. */
static bool
is_fit(const struct vm_buf *secret)
{
	for (size_t i = 0; i < secret->len; i++)
		if (iscntrl((unsigned char)secret->data[i]))
			return false;
	return secret->len > 0 && secret->data[0] != ':';
}

static int
parse(const char *what, struct vm_buf *secret, struct vm_http_access *access,
    struct vm_error *err)
{
	char *colon;

	while (secret->len > 0 &&
	    (secret->data[secret->len - 1] == '\n' ||
		secret->data[secret->len - 1] == '\r'))
		secret->data[--secret->len] = '\0';
	if (!is_fit(secret))
		return vm_error_set(err, VM_E_DATA, "bad_auth",
		    "%s: not one line with user:password or a token", what);
	colon = strchr(secret->data, ':');
	if (colon == NULL) {
		access->token = secret->data;
		return 0;
	}
	*colon = '\0';
	access->user = secret->data;
	access->password = colon + 1;
	return 0;
}

int
vm_auth_read(const char *file, int fd, struct vm_buf *secret,
    struct vm_http_access *access, struct vm_error *err)
{
	const char *what = file != NULL ? file : "--auth-fd";
	VM_CLEAN_FD int opened = file == NULL ?
	    -1 :
	    open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (file != NULL && opened == -1)
		return vm_error_errno(err, errno, "%s", file);
	if (file != NULL && check_mode(opened, file, err) == -1)
		return -1;
	/* No reallocation, which would leave a copy behind. */
	if (vm_buf_reserve(secret, AUTH_MAX, err) == -1 ||
	    vm_fd_slurp(file != NULL ? opened : fd, AUTH_MAX - 1, secret, what,
		err) == -1)
		return -1;
	return parse(what, secret, access, err);
}

int
vm_auth_check_files(const struct vm_http_access *a, struct vm_error *err)
{
	const char *const files[] = { a->ca_file, a->cert_file, a->key_file };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (files[i] != NULL && access(files[i], R_OK) == -1)
			return vm_error_errno(err, errno, "%s", files[i]);
	return 0;
}

void
vm_auth_forget(struct vm_buf *secret)
{
	if (secret->data != NULL)
		explicit_bzero(secret->data, secret->cap);
	vm_buf_release(secret);
}
