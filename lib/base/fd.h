/*
 * fd.h - file descriptors: whole reads and writes, small files, safe opening.
 *
 * Every descriptor made here is close-on-exec.  EINTR is retried, short reads
 * and writes are completed.  Errors carry `what` (a name for messages).
 */
#ifndef VM_BASE_FD_H
#define VM_BASE_FD_H

#include <sys/types.h>

#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"

/*
 * Refuse to run with a closed descriptor 0, 1 or 2 (a file opened later would
 * take its place): opens /dev/null on a closed 0 for reading; a closed 1 or 2
 * is VM_E_IO "closed_output".  Call it before anything else opens a file.
 */
int vm_fd_check_standard(struct vm_error *err) VM_MUST_CHECK;

/* Read exactly len bytes unless the file ends; *got says how many came. */
int vm_fd_read(int fd, void *data, size_t len, size_t *got, const char *what,
    struct vm_error *err) VM_MUST_CHECK;
int vm_fd_pread(int fd, void *data, size_t len, uint64_t offset, size_t *got,
    const char *what, struct vm_error *err) VM_MUST_CHECK;

/* Write all of it. */
int vm_fd_write(int fd, const void *data, size_t len, const char *what,
    struct vm_error *err) VM_MUST_CHECK;
int vm_fd_pwrite(int fd, const void *data, size_t len, uint64_t offset,
    const char *what, struct vm_error *err) VM_MUST_CHECK;

/* Append the rest of fd to buf; more than max bytes: VM_E_DATA "too_large". */
int vm_fd_slurp(int fd, size_t max, struct vm_buf *buf, const char *what,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Open a regular file below dirfd for reading without following a symbolic
 * link in its last component; anything else: VM_E_DENIED "not_regular".
 */
int vm_fd_open_regular(int dirfd, const char *path, struct vm_error *err)
    VM_MUST_CHECK;

/* Read a small file as a whole (not following a last symbolic link). */
int vm_fd_read_file(int dirfd, const char *path, size_t max, struct vm_buf *buf,
    struct vm_error *err) VM_MUST_CHECK;

#endif
