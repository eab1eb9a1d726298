/* tap.c - see tap.h. */
#include "lib/host/tap.h"

#include <sys/ioctl.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clean.h"
#include "lib/base/proc.h"

#define HELPER_MS 10000

static int
fail_bridge(const char *bridge, const char *what, struct vm_error *err)
{
	vm_error_set(err, VM_E_UNAVAILABLE, "no_bridge", "bridge %s: %s",
	    bridge, what);
	return vm_error_hint(err,
	    "ip link add %s type bridge && ip link set %s up", bridge, bridge);
}

static int
check_bridge(const char *bridge, struct vm_error *err)
{
	if (strlen(bridge) >= IFNAMSIZ || strchr(bridge, '/') != NULL)
		return vm_error_set(err, VM_E_DATA, "bad_networks",
		    "%.40s: no name of a bridge", bridge);
	return if_nametoindex(bridge) != 0 ?
	    0 :
	    fail_bridge(bridge, "there is none on this host", err);
}

const char *
vm_tap_find_helper(void)
{
	static const char *const paths[] = { "/usr/lib/qemu/qemu-bridge-helper",
		"/usr/libexec/qemu-bridge-helper",
		"/usr/local/libexec/qemu-bridge-helper", NULL };
	size_t i;

	for (i = 0; paths[i] != NULL; i++) {
		if (access(paths[i], X_OK) == 0)
			return paths[i];
	}
	return NULL;
}

/* Add the device to the bridge and switch it on. */
static int
attach(const char *device, const char *bridge, struct vm_error *err)
{
	VM_CLEAN_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { 0 };

	if (fd == -1)
		return vm_error_errno(err, errno, "socket");
	snprintf(request.ifr_name, IFNAMSIZ, "%s", bridge);
	request.ifr_ifindex = (int)if_nametoindex(device);
	if (ioctl(fd, SIOCBRADDIF, &request) == -1)
		return errno == EOPNOTSUPP || errno == EINVAL ?
		    fail_bridge(bridge, "that is no bridge", err) :
		    vm_error_errno(err, errno, "bridge %s: add %s", bridge,
			device);
	request = (struct ifreq){ 0 };
	snprintf(request.ifr_name, IFNAMSIZ, "%s", device);
	if (ioctl(fd, SIOCGIFFLAGS, &request) == -1)
		return vm_error_errno(err, errno, "%s", device);
	request.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &request) == -1)
		return vm_error_errno(err, errno, "%s: switch on", device);
	return 0;
}

static int
open_as_root(const char *bridge, struct vm_error *err)
{
	VM_CLEAN_FD int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI |
		    IFF_VNET_HDR };

	if (fd == -1) {
		vm_error_set(err, VM_E_UNAVAILABLE, "no_tap",
		    "/dev/net/tun: %s", strerror(errno));
		return vm_error_hint(err, "modprobe tun");
	}
	snprintf(request.ifr_name, IFNAMSIZ, "vmp%%d");
	if (ioctl(fd, TUNSETIFF, &request) == -1)
		return vm_error_set(err, VM_E_UNAVAILABLE, "no_tap",
		    "tap device: %s", strerror(errno));
	if (attach(request.ifr_name, bridge, err) == -1)
		return -1;
	return VM_TAKE_FD(fd);
}

/* The descriptor that the helper has sent, or -1. */
static int
receive(int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	char byte;
	struct iovec io = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space) };
	struct cmsghdr *header;
	int got = -1;

	if (recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) < 1)
		return -1;
	header = CMSG_FIRSTHDR(&message);
	if (header != NULL && header->cmsg_level == SOL_SOCKET &&
	    header->cmsg_type == SCM_RIGHTS &&
	    header->cmsg_len == CMSG_LEN(sizeof(got)))
		memcpy(&got, CMSG_DATA(header), sizeof(got));
	return got;
}

static int
ask_helper(const char *helper, const char *bridge, struct vm_error *err)
{
	VM_CLEAN_PROC struct vm_proc_result result = { 0 };
	VM_CLEAN_FD int ours = -1;
	VM_CLEAN_FD int its = -1;
	char fd_option[32], bridge_option[32];
	const char *argv[] = { helper, "--use-vnet", fd_option, bridge_option,
		NULL };
	struct vm_proc_options options = { .argv = argv,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1,
		.keep_count = 1,
		.timeout_ms = HELPER_MS };
	int pair[2], tap;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
		return vm_error_errno(err, errno, "socketpair");
	ours = pair[0];
	its = pair[1];
	options.keep_fds = &its;
	snprintf(fd_option, sizeof(fd_option), "--fd=%d", its);
	snprintf(bridge_option, sizeof(bridge_option), "--br=%s", bridge);
	if (vm_proc_run_ok(&options, &result, err) == 0) {
		if ((tap = receive(ours)) >= 0)
			return tap;
		vm_error_set(err, VM_E_UNAVAILABLE, "no_tap",
		    "%s: sent no device", helper);
	} else if (err->kind != VM_E_UNAVAILABLE) {
		return -1;
	}
	vm_error_wrap(err, "bridge %s", bridge);
	return vm_error_hint(err,
	    "as root: mkdir -p /etc/qemu && echo allow %s >>"
	    "/etc/qemu/bridge.conf && chmod u+s %s",
	    bridge, helper);
}

int
vm_tap_open(const char *bridge, struct vm_error *err)
{
	const char *helper;

	if (check_bridge(bridge, err) == -1)
		return -1;
	if (geteuid() == 0)
		return open_as_root(bridge, err);
	if ((helper = vm_tap_find_helper()) != NULL)
		return ask_helper(helper, bridge, err);
	vm_error_set(err, VM_E_UNAVAILABLE, "no_tap",
	    "bridge %s: only root, or qemu-bridge-helper, can join it", bridge);
	return vm_error_hint(err, "apt-get install qemu-system-common");
}
