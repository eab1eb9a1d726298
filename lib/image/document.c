#include "lib/image/document.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "lib/base/fd.h"
#include "lib/image/fetch.h"

static bool
is_url(const char *where)
{
	return strstr(where, "://") != NULL;
}

char *
vm_document_show(const char *where, struct vm_error *err)
{
	return is_url(where) && strncmp(where, "file:", 5) != 0 ?
	    vm_http_clean_url(where, err) :
	    vm_buf_printf(err, "%s", where);
}

static int
read_url(const struct vm_source *source, const struct vm_fetch_options *options,
    const char *where, struct vm_buf *buf, struct vm_error *err)
{
	struct vm_http_access access = options->access;
	const struct vm_http_request request = {
		.url = where,
		.access = &access,
		.stall_ms = options->stall_ms,
	};

	if (source->kind != VM_SOURCE_HTTP ||
	    !vm_http_is_same_origin(source->location, where))
		access = (struct vm_http_access){
			.ca_file = access.ca_file,
			.no_private = access.no_private,
		};
	return vm_http_read(&request, VM_DOCUMENT_MAX, buf, err);
}

/* Named by the user, so a symbolic link is fine; a FIFO must not hang us. */
static int
read_path(const char *path, struct vm_buf *buf, struct vm_error *err)
{
	VM_CLEAN_FD int fd = open(path,
	    O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd == -1 || fstat(fd, &st) == -1)
		return vm_error_errno(err, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return vm_error_set(err, VM_E_DENIED, "not_regular",
		    "%s: not a regular file", path);
	return vm_fd_slurp(fd, VM_DOCUMENT_MAX, buf, path, err);
}

int
vm_document_read(const struct vm_source *source,
    const struct vm_fetch_options *options, const char *where,
    struct vm_buf *buf, struct vm_error *err)
{
	struct vm_source file VM_CLEAN_SOURCE = { 0 };

	if (strncmp(where, "file:", 5) == 0) {
		if (vm_source_parse(where, NULL, &file, err) == -1)
			return -1;
		where = file.location;
	}
	return is_url(where) ? read_url(source, options, where, buf, err) :
			       read_path(where, buf, err);
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
