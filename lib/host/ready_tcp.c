/* ready_tcp.c - see ready.h: bytes from a port of the guest. */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clean.h"
#include "lib/host/ready.h"

/*
 * QEMU takes a connection whether or not the guest is there, and a guest that
 * was not there when it was made may never answer on it: so it is given up for
 * a new one, soon at first, and with more patience as time goes by, should the
 * guest be one that takes long to answer.
 */
#define ATTEMPT_MIN_MS 400
#define ATTEMPT_SHARE 8 /* of the time waited so far */
#define TEXT_MAX ((size_t)65536)

static int
begin_connection(struct vm_ready *ready, uint64_t now_ms, struct vm_error *err)
{
	const char *host = vm_json_string(ready->record, "ssh.host",
	    "127.0.0.1");
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons(ready->port) };

	if (ready->kind != &vm_ready_ssh)
		host = "127.0.0.1";
	if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
		return vm_error_set(err, VM_E_DATA, "bad_record",
		    "ssh.host: %.64s is no IPv4 address", host);
	ready->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (ready->fd == -1)
		return vm_error_errno(err, errno, "socket");
	ready->give_up_ms = now_ms + ATTEMPT_MIN_MS +
	    (now_ms - ready->begun_ms) / ATTEMPT_SHARE;
	if (connect(ready->fd, (struct sockaddr *)&address, sizeof(address)) ==
		-1 &&
	    errno != EINPROGRESS)
		vm_ready_retry(ready, now_ms, "the port refuses connections");
	return 0;
}

int
vm_ready_step_stream(struct vm_ready *ready, const char *expect,
    uint64_t now_ms, struct vm_error *err)
{
	char data[4096];
	ssize_t n;

	if (ready->fd == -1)
		return begin_connection(ready, now_ms, err);
	n = recv(ready->fd, data, sizeof(data), 0);
	if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
		if (now_ms > ready->give_up_ms)
			vm_ready_retry(ready, now_ms,
			    ready->in.len > 0 ?
				"the port sends something else" :
				"nothing comes from the port");
		return 0;
	}
	if (n <= 0) {
		vm_ready_retry(ready, now_ms,
		    n == 0 ? "the port closes the connection" :
			     "the port refuses connections");
		return 0;
	}
	if (ready->in.len > TEXT_MAX)
		vm_buf_consume(&ready->in, ready->in.len - 1024);
	if (vm_buf_add(&ready->in, data, (size_t)n, err) == -1)
		return -1;
	if (expect != NULL && !vm_ready_has(&ready->in, expect))
		return 0;
	vm_ready_retry(ready, now_ms, "");
	return 1;
}

static int
step_tcp(struct vm_ready *ready, uint64_t now_ms, struct vm_error *err)
{
	return vm_ready_step_stream(ready, ready->expect, now_ms, err);
}

const struct vm_ready_kind vm_ready_tcp = { "tcp", step_tcp };
