#include "lib/guest/layout.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lib/guest/tree.h"

#define LAYOUT_VERSION 1
#define FIELD_MAX 256

struct drive {
	const struct vm_engine *engine;
	size_t number;
	struct vm_engine_partition partitions[VM_ENGINE_PARTITIONS];
	size_t count;
};

static const char *const root_files[] = { "/etc/os-release",
	"/usr/lib/os-release", "/etc/passwd" };

static const char *const package_managers[][2] = {
	{ "/usr/bin/apt-get", "apt" },
	{ "/usr/bin/dnf", "dnf" },
	{ "/usr/bin/yum", "yum" },
	{ "/usr/bin/zypper", "zypper" },
	{ "/usr/bin/pacman", "pacman" },
	{ "/sbin/apk", "apk" },
};

static const char *const inits[][2] = {
	{ "/usr/lib/systemd/systemd", "systemd" },
	{ "/lib/systemd/systemd", "systemd" },
	{ "/sbin/openrc", "openrc" },
	{ "/bin/busybox", "busybox" },
};

/* What brings the network up, told by what is enabled or configured. */
static const char *const networks[][2] = {
	{ "/etc/systemd/system/dbus-org.freedesktop.network1.service",
	    "networkd" },
	{ "/etc/systemd/system/multi-user.target.wants/"
	  "systemd-networkd.service",
	    "networkd" },
	{ "/etc/systemd/system/multi-user.target.wants/"
	  "NetworkManager.service",
	    "networkmanager" },
	{ "/etc/network/interfaces", "ifupdown" },
	/* somebody reads its files: small guests do without the daemon */
	{ "/etc/systemd/network", "networkd" },
};

/* 1: an operating system's root is mounted at "/". */
static int
is_root(const struct vm_engine *engine, struct vm_error *err)
{
	for (size_t i = 0; i < sizeof root_files / sizeof root_files[0]; i++) {
		int has = vm_tree_has(engine, root_files[i], err);

		if (has != 0)
			return has;
	}
	return 0;
}

/* File systems that cannot be a root, or that need more than a mount. */
static bool
is_mountable(const char *fs)
{
	static const char *const never[] = { "", "swap", "crypto_LUKS",
		"LVM2_member", "linux_raid_member", "iso9660", "BitLocker" };

	for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
		if (strcmp(fs, never[i]) == 0)
			return false;
	return true;
}

/* 1: partition i holds a root; 0: not; what it cannot say is in *why. */
static int
try_partition(const struct drive *drive, size_t i, struct vm_error *why,
    struct vm_error *err)
{
	const struct vm_engine *engine = drive->engine;
	const struct vm_engine_partition *part = &drive->partitions[i];
	int found;

	if (!is_mountable(part->fs))
		return 0;
	if (engine->ops->mount(engine->state, drive->number, part->number, "/",
		true, why) == -1) {
		if (why->kind != VM_E_UNAVAILABLE)
			return 0;
		*err = *why;
		return -1;
	}
	found = is_root(engine, err);
	if (engine->ops->unmount_all(engine->state, found == -1 ? NULL : err) ==
	    -1)
		return -1;
	return found;
}

/* No root was found: why not, as exactly as can be said. */
static int
explain(const struct drive *drive, const struct vm_error *why,
    struct vm_error *err)
{
	for (size_t i = 0; i < drive->count; i++) {
		const struct vm_engine_partition *part = &drive->partitions[i];

		if (strcmp(part->fs, "crypto_LUKS") == 0 ||
		    strcmp(part->fs, "BitLocker") == 0)
			return vm_error_set(err, VM_E_DATA, "guest_encrypted",
			    "the guest's partition %d is encrypted (%s)",
			    part->number, part->fs);
		if (strcmp(part->fs, "LVM2_member") == 0 ||
		    strcmp(part->fs, "linux_raid_member") == 0)
			return vm_error_set(err, VM_E_DATA, "guest_lvm",
			    "the guest's partition %d is part of a volume "
			    "group (%s), which is not supported",
			    part->number, part->fs);
	}
	if (vm_error_is_set(why)) {
		*err = *why;
		return -1;
	}
	return vm_error_set(err, VM_E_DATA, "guest_no_os",
	    "no operating system in the guest's %zu partition%s", drive->count,
	    drive->count == 1 ? "" : "s");
}

static int
find_root(const struct drive *drive, size_t *root, struct vm_error *err)
{
	struct vm_error why = { 0 };
	size_t found = 0;

	for (size_t i = 0; i < drive->count; i++) {
		int is = try_partition(drive, i, &why, err);

		if (is == -1)
			return -1;
		if (is == 1 && found++ > 0)
			return vm_error_set(err, VM_E_DATA, "guest_many_os",
			    "two operating systems in the guest, in the "
			    "partitions %d and %d",
			    drive->partitions[*root].number,
			    drive->partitions[i].number);
		if (is == 1)
			*root = i;
	}
	return found == 1 ? 0 : explain(drive, &why, err);
}

/* KEY=value or KEY="value" of os-release, or "". */
static void
get_release(const char *text, const char *key, char out[FIELD_MAX])
{
	size_t len = strlen(key), n = 0;

	out[0] = '\0';
	for (const char *p = text; p != NULL && *p != '\0';
	     p = strchr(p, '\n'), p = p == NULL ? NULL : p + 1) {
		if (strncmp(p, key, len) != 0 || p[len] != '=')
			continue;
		for (p += len + 1; *p != '\0' && *p != '\n'; p++)
			if (*p != '"' && *p != '\'' && n < FIELD_MAX - 1 &&
			    isprint((unsigned char)*p))
				out[n++] = *p;
		out[n] = '\0';
		return;
	}
}

static int
add_os(const struct vm_engine *engine, struct vm_json *layout,
    struct vm_error *err)
{
	static const char *const members[][2] = { { "ID", "os.id" },
		{ "ID_LIKE", "os.like" }, { "VERSION_ID", "os.version" },
		{ "PRETTY_NAME", "os.name" } };
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	char value[FIELD_MAX];

	if (engine->ops->read(engine->state, "/usr/lib/os-release", &text,
		err) == -1 &&
	    engine->ops->read(engine->state, "/etc/os-release", &text, err) ==
		-1 &&
	    err->kind == VM_E_UNAVAILABLE)
		return -1;
	vm_error_clear(err);
	for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
		get_release(text.data, members[i][0], value);
		if (vm_json_set_string(layout, members[i][1], value, err) == -1)
			return -1;
	}
	return 0;
}

/* layout.member = the name beside the first file that is there. */
static int
add_first(const struct vm_engine *engine, struct vm_json *layout,
    const char *member, const char *const (*pairs)[2], size_t count,
    const char *otherwise, struct vm_error *err)
{
	for (size_t i = 0; i < count; i++) {
		struct vm_engine_stat st;
		struct vm_error why = { 0 };

		/* enabled units are links whose target need not be there */
		if (engine->ops->stat(engine->state, pairs[i][0], &st, &why) ==
		    0)
			return vm_json_set_string(layout, member, pairs[i][1],
			    err);
		if (why.kind == VM_E_UNAVAILABLE) {
			*err = why;
			return -1;
		}
	}
	return vm_json_set_string(layout, member, otherwise, err);
}

#define ADD_FIRST(engine, layout, member, table, otherwise, err)               \
	add_first(engine, layout, member, table,                               \
	    sizeof(table) / sizeof((table)[0]), otherwise, err)

/* Append the mount of one fstab line, when it is of this drive. */
static int
add_fstab_line(const struct drive *drive, const char *spec, const char *at,
    struct vm_json *mounts, struct vm_error *err)
{
	for (size_t i = 0; i < drive->count; i++) {
		const struct vm_engine_partition *part = &drive->partitions[i];
		char number[16];
		size_t len = strlen(spec);
		size_t digits = (size_t)snprintf(number, sizeof number, "%d",
		    part->number);
		bool match = (strncmp(spec, "UUID=", 5) == 0 &&
				 strcasecmp(spec + 5, part->uuid) == 0) ||
		    (strncmp(spec, "LABEL=", 6) == 0 &&
			strcmp(spec + 6, part->label) == 0) ||
		    (strncmp(spec, "/dev/", 5) == 0 && len > digits &&
			isalpha((unsigned char)spec[len - digits - 1]) &&
			strcmp(spec + len - digits, number) == 0);

		if (!match || !is_mountable(part->fs))
			continue;
		struct vm_json *mount = vm_json_new_object();
		if (vm_json_set_string(mount, "at", at, err) == -1 ||
		    vm_json_set_int(mount, "partition", part->number, err) ==
			-1) {
			vm_json_free(mount);
			return -1;
		}
		return vm_json_append(mounts, mount, err);
	}
	return 0;
}

/* The next word of a line, ended by a NUL, or NULL. */
static char *
next_word(char **line)
{
	char *word;

	do
		word = strsep(line, " \t\r");
	while (word != NULL && word[0] == '\0');
	return word;
}

/* The other mounts, from the guest's fstab (whose order is a mount order). */
static int
add_fstab(const struct drive *drive, struct vm_json *mounts,
    struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	char *line, *rest;

	if (vm_tree_read(drive->engine, "/etc/fstab", &text, err) == -1)
		return err->kind == VM_E_DATA ? 0 : -1;
	rest = text.data;
	while (rest != NULL && (line = strsep(&rest, "\n")) != NULL) {
		const char *spec = next_word(&line);
		const char *at = next_word(&line);

		if (spec == NULL || at == NULL || spec[0] == '#' ||
		    strcmp(at, "/") == 0 || vm_tree_check_path(at, NULL) == -1)
			continue;
		if (vm_json_count(mounts) < VM_ENGINE_PARTITIONS &&
		    add_fstab_line(drive, spec, at, mounts, err) == -1)
			return -1;
	}
	return 0;
}

/* Everything that is told by the mounted root. */
static int
describe(const struct drive *drive, size_t root, struct vm_json *layout,
    struct vm_error *err)
{
	const struct vm_engine *engine = drive->engine;
	const struct vm_engine_partition *part = &drive->partitions[root];
	struct vm_json *mounts = vm_json_new_array();

	if (vm_json_set(layout, "mounts", mounts, err) == -1 ||
	    vm_json_set_int(layout, "version", LAYOUT_VERSION, err) == -1 ||
	    vm_json_set_string(layout, "mounts.0.at", "/", err) == -1 ||
	    vm_json_set_int(layout, "mounts.0.partition", part->number, err) ==
		-1 ||
	    vm_json_set_string(layout, "fs", part->fs, err) == -1)
		return -1;
	if (add_fstab(drive, mounts, err) == -1 ||
	    add_os(engine, layout, err) == -1)
		return -1;
	if (ADD_FIRST(engine, layout, "packages", package_managers, "none",
		err) == -1 ||
	    ADD_FIRST(engine, layout, "init", inits, "other", err) == -1)
		return -1;
	return ADD_FIRST(engine, layout, "network", networks, "none", err);
}

struct vm_json *
vm_layout_find(const struct vm_engine *engine, size_t drive_number,
    struct vm_error *err)
{
	VM_CLEAN_FREE struct drive *drive = calloc(1, sizeof *drive);
	VM_CLEAN_JSON struct vm_json *layout = vm_json_new_object();
	struct vm_error ignored;
	size_t root = 0;

	if (drive == NULL || layout == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	drive->engine = engine;
	drive->number = drive_number;
	if (engine->ops->partitions(engine->state, drive_number,
		drive->partitions, &drive->count, err) == -1 ||
	    find_root(drive, &root, err) == -1 ||
	    engine->ops->mount(engine->state, drive_number,
		drive->partitions[root].number, "/", true, err) == -1)
		return NULL;
	if (describe(drive, root, layout, err) == -1) {
		(void)!engine->ops->unmount_all(engine->state, &ignored);
		return NULL;
	}
	if (engine->ops->unmount_all(engine->state, err) == -1)
		return NULL;
	return VM_TAKE(layout);
}

int
vm_layout_mount(const struct vm_engine *engine, size_t drive,
    const struct vm_json *layout, struct vm_error *err)
{
	const struct vm_json *mounts = vm_json_get(layout, "mounts");

	if (vm_json_count(mounts) == 0)
		return vm_error_set(err, VM_E_DATA, "bad_layout",
		    "the layout in the store names no file system");
	for (size_t i = 0; i < vm_json_count(mounts); i++) {
		const struct vm_json *mount = vm_json_at(mounts, i);

		if (engine->ops->mount(engine->state, drive,
			(int)vm_json_int(mount, "partition", 0),
			vm_json_string(mount, "at", "/"), false, err) == -1)
			return -1;
	}
	return 0;
}
