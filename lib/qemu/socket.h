/*
 * socket.h - Unix sockets named in a VM's directory.
 *
 * The name is reached through the directory's descriptor (/proc/self/fd/N/...),
 * so that the store's path may be of any length and a directory renamed
 * meanwhile is still the same.  We bind and listen, QEMU is handed the
 * descriptor: a client never meets a socket that is not there yet, and nobody
 * else can take the name between.
 */
#ifndef VM_QEMU_SOCKET_H
#define VM_QEMU_SOCKET_H

#include "lib/base/error.h"

/*
 * Bind dir_fd/name and listen, mode 0600; a socket left from an earlier run is
 * replaced (the caller holds the VM's lock).  Anything else of that name, or a
 * directory that others may write: VM_E_DENIED "bad_socket".
 */
int vm_socket_listen(int dir_fd, const char *name, struct vm_error *err)
    VM_MUST_CHECK;

/*
 * Connect to dir_fd/name: a non-blocking descriptor.  Nobody listens there:
 * VM_E_UNAVAILABLE "not_listening".
 */
int vm_socket_connect(int dir_fd, const char *name, struct vm_error *err)
    VM_MUST_CHECK;

#endif
