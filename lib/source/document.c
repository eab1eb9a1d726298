#include "lib/source/document.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "lib/base/fd.h"
#include "lib/source/origin.h"
#include "lib/source/s3.h"
#include "lib/source/ssh.h"

static bool
is_url(const char *where)
{
	return strstr(where, "://") != NULL;
}

/* Is it asked for in a way of its own? */
static bool
is_special(const char *where)
{
	return vm_ssh_is_url(where) || vm_s3_is_url(where);
}

char *
vm_document_show(const char *where, struct vm_error *err)
{
	return is_url(where) && strncmp(where, "file:", 5) != 0 &&
		!is_special(where) ?
	    vm_http_clean_url(where, err) :
	    vm_buf_printf(err, "%s", where);
}

bool
vm_document_is_plain(const char *where, const struct vm_reach *reach)
{
	struct vm_source source VM_CLEAN_SOURCE = { 0 };

	if (!is_url(where) || strncmp(where, "file:", 5) == 0 ||
	    vm_ssh_is_url(where))
		return false;
	/* s3: it depends on the endpoint */
	return vm_source_parse(where, NULL, &source, NULL) == -1 ||
	    vm_origin_prepare(&source, reach, NULL) == -1 ||
	    vm_source_is_plain(&source);
}

static int
read_url(const struct vm_source *source, const struct vm_reach *reach,
    const char *where, size_t max, struct vm_buf *buf, struct vm_error *err)
{
	struct vm_http_access access = reach->access;
	const struct vm_http_request request = {
		.url = where,
		.access = &access,
		.stall_ms = reach->stall_ms,
	};

	if (source == NULL || source->kind != VM_SOURCE_HTTP ||
	    !vm_http_is_same_origin(source->location, where))
		access = (struct vm_http_access){
			.ca_file = access.ca_file,
			.no_private = access.no_private,
		};
	return vm_http_read(&request, max, buf, err);
}

struct reading {
	struct vm_buf *buf;
	size_t max;
};

static int
on_begin(void *context, const struct vm_http_reply *reply, struct vm_error *err)
{
	(void)context, (void)reply, (void)err;
	return 0;
}

static int
on_data(void *context, const void *data, size_t len, struct vm_error *err)
{
	const struct reading *reading = context;

	if (len > reading->max - reading->buf->len)
		return vm_error_set(err, VM_E_DATA, "too_large",
		    "more than %zu bytes", reading->max);
	return vm_buf_add(reading->buf, data, len, err);
}

/* A place of its own kind (origin.h). */
static int
read_special(const struct vm_reach *reach, const char *where, size_t max,
    struct vm_buf *buf, struct vm_error *err)
{
	struct vm_source source VM_CLEAN_SOURCE = { 0 };
	struct reading reading = { buf, max };
	const struct vm_http_sink sink = { on_begin, on_data, &reading };
	const struct vm_http_request request = {
		.access = &reach->access,
		.stall_ms = reach->stall_ms,
	};
	struct vm_http_reply reply;

	vm_buf_reset(buf);
	if (vm_source_parse(where, NULL, &source, err) == -1 ||
	    vm_origin_prepare(&source, reach, err) == -1)
		return -1;
	return vm_origin_get(&source, &request, &sink, &reply, err);
}

/* Named by the user, so a symbolic link is fine; a FIFO must not hang us. */
static int
read_path(const char *path, size_t max, struct vm_buf *buf,
    struct vm_error *err)
{
	VM_CLEAN_FD int fd = open(path,
	    O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd == -1 || fstat(fd, &st) == -1)
		return vm_error_errno(err, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return vm_error_set(err, VM_E_DENIED, "not_regular",
		    "%s: not a regular file", path);
	return vm_fd_slurp(fd, max, buf, path, err);
}

int
vm_document_read_long(const struct vm_source *source,
    const struct vm_reach *reach, const char *where, size_t max,
    struct vm_buf *buf, struct vm_error *err)
{
	struct vm_source file VM_CLEAN_SOURCE = { 0 };

	if (strncmp(where, "file:", 5) == 0) {
		if (vm_source_parse(where, NULL, &file, err) == -1)
			return -1;
		where = file.location;
	}
	if (is_special(where))
		return read_special(reach, where, max, buf, err);
	return is_url(where) ? read_url(source, reach, where, max, buf, err) :
			       read_path(where, max, buf, err);
}

int
vm_document_read(const struct vm_source *source, const struct vm_reach *reach,
    const char *where, struct vm_buf *buf, struct vm_error *err)
{
	return vm_document_read_long(source, reach, where, VM_DOCUMENT_MAX, buf,
	    err);
}

char *
vm_document_beside(const struct vm_source *source, const char *name,
    struct vm_error *err)
{
	const char *slash = strrchr(source->location, '/');

	if (source->kind == VM_SOURCE_HTTP)
		return vm_http_beside(source->location, name, err);
	return vm_buf_printf(err, "%.*s/%s",
	    slash == NULL ? 1 : (int)(slash - source->location),
	    slash == NULL ? "." : source->location, name);
}
