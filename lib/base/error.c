#include "lib/base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What a system call's errno means to a script. */
static const struct {
	int errnum;
	enum vm_kind kind;
	const char *code;
} errnos[] = {
	{ ENOSPC, VM_E_IO, "no_space" },
	{ EDQUOT, VM_E_IO, "no_space" },
	{ EFBIG, VM_E_IO, "file_too_big" },
	{ EIO, VM_E_IO, "io" },
	{ EROFS, VM_E_IO, "read_only" },
	{ EPIPE, VM_E_IO, "broken_pipe" },
	{ ENOENT, VM_E_NO_INPUT, "not_found" },
	{ ENOTDIR, VM_E_NO_INPUT, "not_found" },
	{ EACCES, VM_E_DENIED, "permission" },
	{ EPERM, VM_E_DENIED, "permission" },
	{ ELOOP, VM_E_DENIED, "symlink" },
	{ EEXIST, VM_E_EXISTS, "exists" },
	{ ENOTEMPTY, VM_E_EXISTS, "exists" },
	{ EXDEV, VM_E_EXISTS, "cross_device" },
	{ EMFILE, VM_E_SYSTEM, "no_descriptors" },
	{ ENFILE, VM_E_SYSTEM, "no_descriptors" },
	{ ENOMEM, VM_E_SYSTEM, "no_memory" },
	{ EMLINK, VM_E_SYSTEM, "too_many_links" },
	{ EAGAIN, VM_E_SYSTEM, "no_resources" },
	{ EISDIR, VM_E_DATA, "is_a_directory" },
	{ ENAMETOOLONG, VM_E_USAGE, "name_too_long" },
	{ ECONNREFUSED, VM_E_UNAVAILABLE, "connection_refused" },
	{ ETIMEDOUT, VM_E_TRY_AGAIN, "timeout" },
	{ EINTR, VM_E_INTERRUPTED, "interrupted" },
};

/* Replace a cut multi-byte character and what follows by "...". */
static void
mark_cut(char *text, size_t size)
{
	size_t n = size - 4;

	while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	memcpy(text + n, "...", 4);
}

static void
format_into(char *out, size_t size, const char *format, va_list ap)
{
	int n = vsnprintf(out, size, format, ap);

	if (n < 0)
		out[0] = '\0';
	else if ((size_t)n >= size)
		mark_cut(out, size);
}

static void
set_kind(struct vm_error *err, enum vm_kind kind, const char *code)
{
	err->kind = kind;
	err->hint[0] = '\0';
	snprintf(err->code, sizeof(err->code), "%s", code);
}

int
vm_error_set(struct vm_error *err, enum vm_kind kind, const char *code,
    const char *format, ...)
{
	va_list ap;

	if (err == NULL)
		return -1;
	set_kind(err, kind, code);
	va_start(ap, format);
	format_into(err->message, sizeof(err->message), format, ap);
	va_end(ap);
	return -1;
}

int
vm_error_errno(struct vm_error *err, int errnum, const char *format, ...)
{
	char cause[128];
	size_t i, len;
	va_list ap;

	if (err == NULL)
		return -1;
	set_kind(err, VM_E_SYSTEM, "system");
	for (i = 0; i < sizeof(errnos) / sizeof(errnos[0]); i++) {
		if (errnos[i].errnum == errnum)
			set_kind(err, errnos[i].kind, errnos[i].code);
	}
	va_start(ap, format);
	format_into(err->message, sizeof(err->message), format, ap);
	va_end(ap);
	len = strlen(err->message);
	if (len + 3 < sizeof(err->message))
		snprintf(err->message + len, sizeof(err->message) - len, ": %s",
		    strerror_r(errnum, cause, sizeof(cause)));
	return -1;
}

int
vm_error_nomem(struct vm_error *err)
{
	return vm_error_set(err, VM_E_SYSTEM, "no_memory", "out of memory");
}

int
vm_error_wrap(struct vm_error *err, const char *format, ...)
{
	char text[sizeof(err->message)];
	size_t len, room;
	va_list ap;

	if (err == NULL)
		return -1;
	va_start(ap, format);
	format_into(text, sizeof(text), format, ap);
	va_end(ap);
	len = strlen(text);
	room = sizeof(text) - len;
	if (snprintf(text + len, room, ": %s", err->message) >= (int)room)
		mark_cut(text, sizeof(text));
	memcpy(err->message, text, sizeof(text));
	return -1;
}

int
vm_error_hint(struct vm_error *err, const char *format, ...)
{
	va_list ap;

	if (err == NULL)
		return -1;
	va_start(ap, format);
	format_into(err->hint, sizeof(err->hint), format, ap);
	va_end(ap);
	return -1;
}

bool
vm_error_is_set(const struct vm_error *err)
{
	return err->kind != VM_OK;
}

void
vm_error_clear(struct vm_error *err)
{
	memset(err, 0, sizeof(*err));
}

bool
vm_error_is_retryable(const struct vm_error *err)
{
	return err->kind == VM_E_UNAVAILABLE || err->kind == VM_E_TRY_AGAIN;
}
