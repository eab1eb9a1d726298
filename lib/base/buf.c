#include "lib/base/buf.h"

#include <stdarg.h>
#include <string.h>

static size_t
cap_of(const struct vm_buf *buf)
{
	return buf->max != 0 ? buf->max : VM_BUF_DEFAULT_MAX;
}

int
vm_buf_reserve(struct vm_buf *buf, size_t len, struct vm_error *err)
{
	size_t need, cap;
	char *data;

	if (len > cap_of(buf) || buf->len > cap_of(buf) - len)
		return vm_error_set(err, VM_E_DATA, "too_large",
		    "more than %zu bytes", cap_of(buf));
	need = buf->len + len + 1;
	if (need <= buf->cap)
		return 0;
	cap = buf->cap < 64 ? 64 : buf->cap;
	while (cap < need)
		cap *= 2;
	if ((data = realloc(buf->data, cap)) == NULL)
		return vm_error_nomem(err);
	buf->data = data;
	buf->cap = cap;
	buf->data[buf->len] = '\0';
	return 0;
}

int
vm_buf_add(struct vm_buf *buf, const void *data, size_t len,
    struct vm_error *err)
{
	if (vm_buf_reserve(buf, len, err) == -1)
		return -1;
	if (len > 0)
		memcpy(buf->data + buf->len, data, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
	return 0;
}

int
vm_buf_add_string(struct vm_buf *buf, const char *s, struct vm_error *err)
{
	return vm_buf_add(buf, s, strlen(s), err);
}

static int
format_into(struct vm_buf *buf, struct vm_error *err, const char *format,
    va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (n < 0)
		return vm_error_set(err, VM_E_BUG, "format", "bad format");
	if (vm_buf_reserve(buf, (size_t)n, err) == -1)
		return -1;
	vsnprintf(buf->data + buf->len, (size_t)n + 1, format, ap);
	buf->len += (size_t)n;
	return 0;
}

int
vm_buf_format(struct vm_buf *buf, struct vm_error *err, const char *format, ...)
{
	va_list ap;
	int rc;

	va_start(ap, format);
	rc = format_into(buf, err, format, ap);
	va_end(ap);
	return rc;
}

void
vm_buf_consume(struct vm_buf *buf, size_t n)
{
	if (n == 0)
		return;
	if (n > buf->len)
		n = buf->len;
	buf->len -= n;
	if (buf->data != NULL)
		memmove(buf->data, buf->data + n, buf->len + 1);
}

void
vm_buf_reset(struct vm_buf *buf)
{
	buf->len = 0;
	if (buf->data != NULL)
		buf->data[0] = '\0';
}

char *
vm_buf_take(struct vm_buf *buf, struct vm_error *err)
{
	char *s;

	if (vm_buf_reserve(buf, 0, err) == -1)
		return NULL;
	s = VM_TAKE(buf->data);
	buf->len = buf->cap = 0;
	return s;
}

void
vm_buf_release(struct vm_buf *buf)
{
	free(buf->data);
	buf->data = NULL;
	buf->len = buf->cap = 0;
}

char *
vm_buf_printf(struct vm_error *err, const char *format, ...)
{
	VM_CLEAN_BUF struct vm_buf buf = { 0 };
	va_list ap;
	int rc;

	va_start(ap, format);
	rc = format_into(&buf, err, format, ap);
	va_end(ap);
	return rc == -1 ? NULL : vm_buf_take(&buf, err);
}
