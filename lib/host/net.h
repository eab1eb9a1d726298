/*
 * net.h - a VM's networks: from record to QEMU's options.
 *
 * The cards and their MAC addresses are facts of the VM (identity.nics), the
 * forwards are the role's.  `user` is QEMU's own network; in besides the
 * role's forwards go a free port to the guest's ssh and, when `ready` asks a
 * TCP port that no forward leads to, a free port to that.  `private` is a
 * multicast group on the loopback device, its address and port made from a
 * digest of store, service and network name.  `bridge` is a tap device, added
 * to the bridge by us as root and else by QEMU's set-uid helper.
 *
 * A free port is one that the kernel gave us.  We hold it with a socket that
 * does not listen and lets QEMU (which binds with SO_REUSEADDR) in beside it,
 * until QEMU has it: nobody else can be given it between.
 */
#ifndef VM_HOST_NET_H
#define VM_HOST_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/adapt/json.h"
#include "lib/base/error.h"
#include "lib/host/argv.h"

#define VM_NET_MAX 10
#define VM_NET_FORWARDS 66

enum vm_net_type { VM_NET_USER, VM_NET_PRIVATE, VM_NET_BRIDGE };

struct vm_net_forward {
	uint16_t guest;
	uint16_t host;	/* 0: any free one, until reserved */
	bool is_chosen; /* by us: another will do as well */
	int fd;		/* holds the port; -1 */
};

struct vm_net {
	enum vm_net_type type;
	char mac[18];
	char bridge[16]; /* VM_NET_BRIDGE */
	char group[32];	 /* VM_NET_PRIVATE: "239.1.2.3:20000" */
	int tap_fd;	 /* VM_NET_BRIDGE: once reserved; -1 */
	struct vm_net_forward forwards[VM_NET_FORWARDS]; /* VM_NET_USER */
	size_t forward_count;
};

struct vm_nets {
	struct vm_net items[VM_NET_MAX];
	size_t count;
};

/*
 * What the record asks for; `scope` tells this store's private networks from
 * another's.  Ports of the last start (run.forwards) are asked for again.
 * VM_E_DATA "bad_networks" when networks and cards do not fit together.
 */
int vm_net_plan(const struct vm_json *record, const char *scope,
    struct vm_nets *nets, struct vm_error *err) VM_MUST_CHECK;

/*
 * Hold the ports and open the taps.  VM_E_UNAVAILABLE "port_in_use" (a port
 * asked for by number), "no_bridge", "no_tap".
 */
int vm_net_reserve(struct vm_nets *nets, struct vm_error *err) VM_MUST_CHECK;

/* Let go of what is held (QEMU has its own now). */
void vm_net_release(struct vm_nets *nets);
#define VM_CLEAN_NETS VM_CLEAN(vm_net_release)

/* QEMU's options for all of it. */
int vm_net_add(struct vm_argv *argv, const struct vm_nets *nets,
    struct vm_error *err) VM_MUST_CHECK;

/* The host's port that leads to the guest's, or 0. */
uint16_t vm_net_find_port(const struct vm_nets *nets, uint16_t guest);

/* [{"host":40022,"guest":22},...], new. */
struct vm_json *vm_net_format_forwards(const struct vm_nets *nets,
    struct vm_error *err) VM_MUST_CHECK;

#endif
