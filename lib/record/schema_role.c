/*
 * schema_role.c - the table of a manifest and of one role in it (DESIGN
 * section 3).
 *
 * A key enters the table when a command obeys it.  Until then it stands here
 * as LATER, so that a manifest which uses it is refused instead of half-obeyed.
 */
#include <string.h>

#include "lib/record/schema.h"

#define REQUIRED VM_SCHEMA_REQUIRED
#define CHOICE VM_SCHEMA_CHOICE
#define LATER VM_SCHEMA_LATER

static const struct vm_schema source = {
	.kind = VM_SCHEMA_TEXT,
	.what = "an alias, a path or a URL",
	.pattern = "^[^\r\n]+$",
	.max = 4095,
};

static const struct vm_schema checksum = {
	.kind = VM_SCHEMA_TEXT,
	.what = "sha256: and 64, or sha512: and 128 hexadecimal digits",
	.pattern = "^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$",
};

static const struct vm_schema checksums = {
	.kind = VM_SCHEMA_TEXT,
	.what = "auto, a path or a URL",
	.pattern = "^[^\r\n]+$",
	.max = 4095,
};

static const struct vm_schema place = {
	.kind = VM_SCHEMA_TEXT,
	.what = "a path or a URL",
	.pattern = "^[^\r\n]+$",
	.max = 4095,
};

static const struct vm_schema mirror = {
	.kind = VM_SCHEMA_TEXT,
	.what = "an http, https, ftp or ftps URL",
	.pattern = "^(http|ftp)s?://[^\r\n]+$",
	.max = 4095,
};

static const struct vm_schema mirrors = {
	.kind = VM_SCHEMA_LIST,
	.what = "a list of URLs",
	.item = &mirror,
	.min = 1,
	.max = 16,
};

static const char *const pull_words[] = { "missing", "always", "never", NULL };

static const struct vm_schema pull = {
	.kind = VM_SCHEMA_TEXT,
	.what = "missing, always or never",
	.words = pull_words,
};

static const struct vm_schema_field image_fields[] = {
	{ "source", &source, REQUIRED, NULL,
	    "where the image comes from: an alias, a path or a URL" },
	{ "checksum", &checksum, CHOICE, NULL,
	    "digest of the file as published" },
	{ "checksums", &checksums, CHOICE, NULL,
	    "its publisher's file of checksums: a URL, a path or auto" },
	{ "signature", &place, 0, "keyring",
	    "a detached signature of that file: a URL or a path" },
	{ "keyring", &place, 0, NULL,
	    "the keys that may have signed that file: a path" },
	{ "pull", &pull, 0, NULL,
	    "when to ask the origin again: missing (the default), always, "
	    "never" },
	{ "mirrors", &mirrors, 0, NULL,
	    "further URLs of the same file, in this order; needs a digest" },
	{ 0 }
};

static const struct vm_schema image = {
	.kind = VM_SCHEMA_MAP,
	.what = "{source: ...}",
	.fields = image_fields,
};

static const struct vm_schema cpus = {
	.kind = VM_SCHEMA_NUMBER,
	.what = "a number of CPUs, 1 to 255",
	.min = 1,
	.max = 255,
};

static const struct vm_schema memory = {
	.kind = VM_SCHEMA_SIZE,
	.what = "a size such as 512M, at least 16M",
	.min = (uint64_t)16 << 20,
	.max = (uint64_t)16 << 40,
};

static const struct vm_schema disk = {
	.kind = VM_SCHEMA_SIZE,
	.what = "a size such as 10G, at least 1M",
	.min = (uint64_t)1 << 20,
	.max = (uint64_t)1 << 50,
};

/* Of a further disk: it is the serial number that the guest sees as well. */
static int
check_disk_name(const char *text, struct vm_error *err)
{
	if (strcmp(text, "disk") != 0)
		return 0;
	return vm_error_set(err, VM_E_DATA, "bad_value",
	    "\"disk\" is the first disk");
}

static const struct vm_schema disk_name = {
	.kind = VM_SCHEMA_TEXT,
	.what = "a name of at most 16 of a-z, 0-9 and _, not beginning with _",
	.pattern = "^[a-z0-9][a-z0-9_]{0,15}$",
	.check = check_disk_name,
};

static const struct vm_schema disk_image = {
	.kind = VM_SCHEMA_TEXT,
	.what = "the alias of an image",
	.pattern = "^[a-z0-9][a-z0-9._-]{0,62}(@[1-9][0-9]{0,8})?$",
};

static const struct vm_schema_field data_disk_fields[] = {
	{ "name", &disk_name, REQUIRED, NULL,
	    "its name, which the guest sees as its serial number" },
	{ "size", &disk, CHOICE, NULL, "empty, and this large" },
	{ "image", &disk_image, CHOICE, NULL, "a clone of this image" },
	{ 0 },
};

static const struct vm_schema data_disk = {
	.kind = VM_SCHEMA_MAP,
	.what = "{name: NAME, size: SIZE} or {name: NAME, image: ALIAS}",
	.fields = data_disk_fields,
	.need_choice = true,
};

static const struct vm_schema data_disks = {
	.kind = VM_SCHEMA_LIST,
	.what = "a list of disks",
	.item = &data_disk,
	.unique = "name",
	.max = 8,
};

static const struct vm_schema volume_size = {
	.kind = VM_SCHEMA_SIZE,
	.what = "a size such as 50G, at least 8M",
	.min = (uint64_t)8 << 20,
	.max = (uint64_t)1 << 50,
};

/* What would hide the system itself is no place for data. */
static int
check_mount(const char *text, struct vm_error *err)
{
	static const char *const taken[] = { "/bin", "/boot", "/dev", "/etc",
		"/lib", "/proc", "/run", "/sbin", "/sys", "/usr" };

	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		if (strcmp(text, taken[i]) == 0)
			return vm_error_set(err, VM_E_DATA, "bad_value",
			    "%s belongs to the guest's system", text);
	}
	return 0;
}

static const struct vm_schema mount_point = {
	.kind = VM_SCHEMA_TEXT,
	.what = "an absolute path of letters, digits, ., _ and -, as /srv",
	.pattern = "^(/[A-Za-z0-9_][A-Za-z0-9._-]*)+$",
	.max = 255,
	.check = check_mount,
};

static const struct vm_schema_field volume_fields[] = {
	{ "name", &disk_name, REQUIRED, NULL,
	    "its name, which the guest sees as its serial number" },
	{ "size", &volume_size, REQUIRED, NULL,
	    "how large it is; it can be made larger later" },
	{ "mount", &mount_point, 0, NULL,
	    "where the guest mounts it: it is made with a file system" },
	{ 0 },
};

static const struct vm_schema volume = {
	.kind = VM_SCHEMA_MAP,
	.what = "{name: NAME, size: SIZE}",
	.fields = volume_fields,
};

static const struct vm_schema volumes = {
	.kind = VM_SCHEMA_LIST,
	.what = "a list of volumes",
	.item = &volume,
	.unique = "name",
	.max = 8,
};

static const struct vm_schema bridge_name = {
	.kind = VM_SCHEMA_TEXT,
	.what = "the name of a bridge",
	.pattern = "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$",
};

static const struct vm_schema_field forward_fields[] = {
	{ "host", &vm_schema_any_port, REQUIRED, NULL,
	    "the TCP port on 127.0.0.1 here; 0: any free one" },
	{ "guest", &vm_schema_port, REQUIRED, NULL, "the guest's TCP port" },
	{ 0 }
};

static const struct vm_schema forward = {
	.kind = VM_SCHEMA_MAP,
	.what = "{host: PORT, guest: PORT}",
	.fields = forward_fields,
};

static const struct vm_schema forwards = {
	.kind = VM_SCHEMA_LIST,
	.what = "a list of {host: PORT, guest: PORT}",
	.item = &forward,
	.max = 64,
};

static const struct vm_schema name_servers = {
	.kind = VM_SCHEMA_LIST,
	.what = "a list of IP addresses",
	.item = &vm_schema_ip,
	.min = 1,
	.max = 8,
};

static const struct vm_schema_field network_fields[] = {
	{ "private", &vm_schema_name, CHOICE, NULL,
	    "a network among the VMs of this service that have the same name "
	    "here; addresses are fixed when cloned" },
	{ "user", &vm_schema_true, CHOICE, NULL,
	    "QEMU's own network: out to the world, in by forward" },
	{ "bridge", &bridge_name, CHOICE, NULL, "a bridge of the host" },
	{ "forward", &forwards, 0, "user", "ports of the host that lead in" },
	{ "address", &vm_schema_address, 0, "bridge",
	    "a fixed address with prefix length, else DHCP" },
	{ "gateway", &vm_schema_ip, 0, "address", "the default route" },
	{ "dns", &name_servers, 0, "address", "name servers" },
	{ "mac", &vm_schema_mac, 0, NULL,
	    "a fixed MAC address, else a random one" },
	{ 0 },
};

static const struct vm_schema network = {
	.kind = VM_SCHEMA_MAP,
	.what = "{private: NAME}, {user: true} or {bridge: NAME}",
	.fields = network_fields,
	.need_choice = true,
};

static const struct vm_schema networks = {
	.kind = VM_SCHEMA_LIST,
	.what = "a list of networks",
	.item = &network,
	.min = 1,
	.max = 8,
};

static const struct vm_schema after = {
	.kind = VM_SCHEMA_LIST,
	.what = "a list of roles",
	.item = &vm_schema_name,
	.max = 100,
};

static const struct vm_schema ready_pattern = {
	.kind = VM_SCHEMA_TEXT,
	.what = "one line of text to wait for",
	.pattern = "^[^\r\n]+$",
	.max = 512,
};

static const struct vm_schema_field tcp_fields[] = {
	{ "port", &vm_schema_port, REQUIRED, NULL, "the guest's port" },
	{ "expect", &ready_pattern, 0, NULL,
	    "what the guest must send, else any byte" },
	{ 0 }
};

static const struct vm_schema tcp = {
	.kind = VM_SCHEMA_MAP,
	.what = "{port: PORT}",
	.fields = tcp_fields,
	.scalar_as = "port",
};

static const struct vm_schema timeout = {
	.kind = VM_SCHEMA_DURATION,
	.what = "a duration such as 90s or 2m",
	.min = 1000,
	.max = (uint64_t)24 * 3600 * 1000,
};

static const struct vm_schema_field ready_fields[] = {
	{ "ssh", &vm_schema_true, CHOICE, NULL,
	    "sshd answers with the host key of the record" },
	{ "agent", &vm_schema_true, CHOICE, NULL, "the guest agent answers" },
	{ "serial", &ready_pattern, CHOICE, NULL,
	    "this text appears on the serial console" },
	{ "tcp", &tcp, CHOICE, NULL, "a TCP port sends something" },
	{ "timeout", &timeout, 0, NULL, "how long to wait, else 5m" },
	{ "http", NULL, LATER, NULL, "an HTTP request is answered" },
	{ "exec", NULL, LATER, NULL, "a command in the guest succeeds" }, { 0 }
};

static const struct vm_schema ready = {
	.kind = VM_SCHEMA_MAP,
	.what = "{ssh: true}, {agent: true}, {serial: TEXT} or {tcp: ...}",
	.fields = ready_fields,
	.need_choice = true,
};

static const struct vm_schema count = {
	.kind = VM_SCHEMA_NUMBER,
	.what = "a number, 0 to 10000",
	.max = 10000,
};

static const struct vm_schema_field replicas_fields[] = {
	{ "min", &count, 0, NULL, "never fewer, else 0" },
	{ "initial", &count, 0, NULL, "at first, else min, else 1" },
	{ "max", &count, 0, NULL, "never more, else any number" }, { 0 }
};

static const struct vm_schema replicas = {
	.kind = VM_SCHEMA_MAP,
	.what = "a number, or {min, initial, max}",
	.fields = replicas_fields,
	.scalar_as = "initial",
};

static const char *const update_words[] = { "manual", NULL };

static int
check_update(const char *text, struct vm_error *err)
{
	if (strcmp(text, "rolling") != 0)
		return 0;
	return vm_error_set(err, VM_E_DATA, "not_supported",
	    "rolling is not supported by this version of vmpipe");
}

static const struct vm_schema update = {
	.kind = VM_SCHEMA_TEXT,
	.what = "manual",
	.words = update_words,
	.check = check_update,
};

static const struct vm_schema_field role_fields[] = {
	{ "image", &image, REQUIRED, NULL, "what the disk begins as" },
	{ "cpus", &cpus, 0, NULL, "CPUs, else 1" },
	{ "memory", &memory, 0, NULL, "memory, else 512M" },
	{ "disk", &disk, 0, NULL,
	    "the clone's disk is grown to this, else as the image" },
	{ "disks", &data_disks, 0, NULL, "further disks, which the VM has" },
	{ "volumes", &volumes, 0, NULL, "disks that outlive the VM" },
	{ "networks", &networks, 0, NULL, "network cards, else {user: true}" },
	{ "after", &after, 0, NULL, "roles that must be ready first" },
	{ "customize", &vm_schema_operations, VM_SCHEMA_SHARED, NULL,
	    "operations that are the same for all: a cached layer" },
	{ "instance", &vm_schema_operations, VM_SCHEMA_CLONE, NULL,
	    "operations on each clone" },
	{ "ready", &ready, 0, NULL,
	    "when a VM counts as ready, else once it runs" },
	{ "replicas", &replicas, 0, NULL, "how many VMs, else 1" },
	{ "update", &update, 0, NULL,
	    "disks that have run are replaced by hand only" },
	{ "autostart", NULL, LATER, NULL, "started with the host" },
	{ "scale", NULL, LATER, NULL, "rules on metrics" },
	{ "place", NULL, LATER, NULL, "which hosts" }, { 0 }
};

const struct vm_schema vm_schema_role = {
	.kind = VM_SCHEMA_MAP,
	.what = "a role",
	.fields = role_fields,
};

static const struct vm_schema roles = {
	.kind = VM_SCHEMA_DICT,
	.what = "roles by name",
	.min = 1,
	.max = 100,
	.key = &vm_schema_name,
	.item = &vm_schema_role,
};

static const struct vm_schema version = {
	.kind = VM_SCHEMA_NUMBER,
	.what = "1, the version of this format",
	.min = 1,
	.max = 1,
};

static const struct vm_schema_field manifest_fields[] = {
	{ "vmpipe", &version, REQUIRED, NULL, "the format's version: 1" },
	{ "service", &vm_schema_name, REQUIRED, NULL, "the service's name" },
	{ "roles", &roles, REQUIRED, NULL, "its kinds of VM, by name" }, { 0 }
};

const struct vm_schema vm_schema_manifest = {
	.kind = VM_SCHEMA_MAP,
	.what = "a manifest",
	.fields = manifest_fields,
};
