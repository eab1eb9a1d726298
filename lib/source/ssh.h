/*
 * ssh.h - ssh://[USER@]HOST[:PORT]/PATH: a file by the program ssh(1).
 *
 * Theory of operation.  ssh runs with the user's own configuration, keys and
 * known hosts, but never asks anything (BatchMode) and, unless a digest will
 * tell whether the bytes are right, never trusts a host whose key it does not
 * know.  On the other side sh(1) says how long the file is and sends it, or the
 * rest of it.  /~/x is meant from the home directory.  What is typed becomes
 * arguments only after every character of user and host was found in a list,
 * and the path is one quoted word of the remote command.
 */
#ifndef VM_SOURCE_SSH_H
#define VM_SOURCE_SSH_H

#include <stdbool.h>

#include "lib/adapt/curl_http.h"
#include "lib/base/error.h"

struct vm_ssh_request {
	const char *url;
	uint64_t offset;	 /* the first byte wanted */
	uint64_t length;	 /* the file has, as we know; 0: unknown */
	uint64_t stall_ms;	 /* give up when nothing comes; 0: 30 s */
	bool pinned;		 /* a digest will tell */
	const atomic_bool *stop; /* set by another thread to end it */
};

bool vm_ssh_is_url(const char *text);

/* VM_E_USAGE "bad_url" unless it can be asked for. */
int vm_ssh_check(const char *text, struct vm_error *err) VM_MUST_CHECK;

/*
 * Do it, from a thread that lives as long as the transfer; the sink and the
 * reply are those of vm_http_get().  VM_E_DENIED "host_key" (unknown or
 * changed), "forbidden" (we are refused), "permission" (the file is not for
 * us), "not_regular"; VM_E_NO_INPUT "not_found"; VM_E_UNAVAILABLE "resolve",
 * "connect", "stalled", "connection_lost", "restart" (as vm_http_get()),
 * "no_program"; VM_E_PROTOCOL "remote_command".
 */
int vm_ssh_get(const struct vm_ssh_request *request,
    const struct vm_http_sink *sink, struct vm_http_reply *reply,
    struct vm_error *err) VM_MUST_CHECK;

#endif
