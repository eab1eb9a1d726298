#include "lib/guest/strip.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lib/guest/mounts.h"
#include "lib/guest/system.h"
#include "lib/guest/tree.h"

#define MACHINE_ID "/etc/machine-id"
#define DBUS_ID "/var/lib/dbus/machine-id"
#define MACHINE_ID_LEN 32
#define INTERFACES "/etc/network/interfaces"
#define OWN_INTERFACES INTERFACES ".d/vmpipe"
#define SSH_DIR "/etc/ssh"
#define UNITS "/etc/systemd/system"
#define SECRET_MAX (64 << 10) /* what is larger is something else */
#define UNIT "vmpipe-ssh-keys.service"

/* Secrets of the one machine: overwritten, then removed. */
static const char *const secrets[] = {
	"/etc/ssh/ssh_host_*_key",
	"/etc/dropbear/dropbear_*_host_key",
	"/var/lib/systemd/random-seed",
	"/var/lib/systemd/credential.secret",
	"/var/lib/urandom/random-seed",
	"/var/lib/misc/random-seed",
	"/var/lib/random-seed",
	"/var/lib/seedrng/seed.*",
	"/boot/loader/random-seed",
	"/boot/efi/loader/random-seed",
	"/efi/loader/random-seed",
	"/etc/dhcpcd.secret",
	"/var/lib/dhcpcd/secret",
	"/var/lib/NetworkManager/secret_key",
};

/* Removed, with all that is in it; the manual has the same lists. */
static const char *const patterns[] = {
	"/etc/ssh/ssh_host_*",
	/* network cards by MAC */
	"/etc/systemd/network/10-vmpipe-*",
	"/etc/network/interfaces.d/vmpipe",
	"/etc/udev/rules.d/*-persistent-net.rules",
	/* what a DHCP server knows it by */
	"/var/lib/dhcp/*",
	"/var/lib/dhclient/*",
	"/var/lib/dhcpcd/*",
	"/var/db/dhcpcd/*",
	"/etc/dhcpcd.duid",
	"/var/lib/NetworkManager/*.lease",
	"/var/lib/NetworkManager/timestamps",
	"/var/lib/NetworkManager/seen-bssids",
	"/var/lib/wicked/*",
	/* cloud-init: which instance it is, and what it wrote for that one */
	"/var/lib/cloud/instance",
	"/var/lib/cloud/instances/*",
	"/var/lib/cloud/data/*",
	"/var/lib/cloud/sem/*",
	"/etc/netplan/50-cloud-init.yaml",
	"/etc/network/interfaces.d/50-cloud-init*",
	"/etc/systemd/network/10-cloud-init-*",
	/* made of which image, by which name */
	"/etc/vmpipe-release",
};

/* Guests that make SSH host keys by themselves when there are none. */
static const char *const key_makers[] = {
	"/usr/lib/systemd/system/sshd-keygen.target",
	"/usr/lib/systemd/system/sshd-keygen@.service",
	"/usr/lib/systemd/system/sshd-keygen.service",
	"/usr/lib/systemd/system/sshdgenkeys.service",
	"/usr/sbin/sshd-gen-keys-start",
	"/usr/lib/ssh/sshd-gen-keys-start",
};

/* Does nothing where there are keys: those of vmcustomize, or cloud-init's. */
static const char unit[] =
    "[Unit]\n"
    "Description=vmpipe: SSH host keys for a guest that has none\n"
    "After=cloud-init.service\n"
    "Before=ssh.service sshd.service\n"
    "ConditionPathExistsGlob=!" SSH_DIR "/ssh_host_*_key\n"
    "\n"
    "[Service]\n"
    "Type=oneshot\n"
    "RemainAfterExit=yes\n"
    "ExecStart=/usr/bin/ssh-keygen -A\n"
    "\n"
    "[Install]\n"
    "WantedBy=multi-user.target\n";

static int
note(struct vm_json *warnings, const char *what, const char *why,
    struct vm_error *err)
{
	VM_CLEAN_FREE char *text = vm_buf_printf(err, "%s: %s", what, why);

	if (text == NULL)
		return -1;
	return vm_json_append(warnings, vm_json_new_string(text), err);
}

/* So that the bytes do not stay behind in a free block. */
static int
wipe_path(const struct vm_engine *engine, const char *path,
    struct vm_error *err)
{
	struct vm_engine_stat st = { 0 };
	int there = vm_tree_stat(engine, path, &st, err);

	if (there == 1 && st.type == VM_ENGINE_FILE && st.size <= SECRET_MAX)
		return engine->ops->wipe(engine->state, path, err);
	return there == -1 ? -1 : 0;
}

/* A directory that is a link leads to where we do not remove things. */
static int
remove_path(const struct vm_engine *engine, const char *path, bool is_secret,
    struct vm_json *warnings, struct vm_error *err)
{
	struct vm_error why = { 0 };

	if ((!is_secret || wipe_path(engine, path, &why) == 0) &&
	    vm_tree_remove(engine, path, &why) == 0)
		return 0;
	if (strcmp(why.code, "guest_symlink") == 0)
		return note(warnings, path,
		    "behind a symbolic link, not removed", err);
	*err = why;
	return -1;
}

static int
remove_all(const struct vm_engine *engine, const char *pattern, bool is_secret,
    struct vm_json *warnings, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf paths = { 0 };
	struct vm_error why = { 0 };

	if (engine->ops->glob(engine->state, pattern, &paths, &why) == -1) {
		if (why.kind == VM_E_NO_INPUT)
			return 0;
		*err = why;
		return -1;
	}
	for (size_t at = 0; at < paths.len; at += strlen(paths.data + at) + 1)
		if (remove_path(engine, paths.data + at, is_secret, warnings,
			err) == -1)
			return -1;
	return 0;
}

/* The journal's directory has the machine id as its name. */
static int
remove_journal(const struct vm_engine *engine, const struct vm_buf *id,
    struct vm_json *warnings, struct vm_error *err)
{
	char path[64];
	size_t len = 0;

	while (len < id->len && isxdigit((unsigned char)id->data[len]))
		len++;
	if (len != MACHINE_ID_LEN)
		return 0;
	snprintf(path, sizeof path, "/var/log/journal/%.*s", MACHINE_ID_LEN,
	    id->data);
	return remove_path(engine, path, false, warnings, err);
}

/* systemd's is emptied, to be filled at the next boot; D-Bus' own goes. */
static int
clear_machine_id(const struct vm_engine *engine, struct vm_json *warnings,
    struct vm_error *err)
{
	const struct vm_tree_attr attr = { 0444, 0, 0 };
	VM_CLEAN_BUF struct vm_buf id = { 0 };
	struct vm_engine_stat st = { 0 };
	int there = vm_tree_stat(engine, MACHINE_ID, &st, err);

	if (there == 1 && st.type != VM_ENGINE_FILE)
		return note(warnings, MACHINE_ID, "not a file, left alone",
		    err);
	if (there == 1 &&
	    (vm_tree_read(engine, MACHINE_ID, &id, err) == -1 ||
		remove_journal(engine, &id, warnings, err) == -1 ||
		vm_tree_write(engine, MACHINE_ID, "", 0, &attr, err) == -1))
		return -1;
	if (there == -1)
		return -1;
	there = vm_tree_stat(engine, DBUS_ID, &st, err);
	if (there != 1 || st.type != VM_ENGINE_FILE)
		return there == -1 ? -1 : 0;
	return vm_tree_remove(engine, DBUS_ID, err);
}

/* The line by which identity.c has our file read. */
static int
clear_interfaces(const struct vm_engine *engine, struct vm_error *err)
{
	static const char line[] = "source " OWN_INTERFACES "\n";
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	int there = vm_tree_read(engine, INTERFACES, &text, err);
	const char *found = there == 1 && text.len > 0 ?
	    strstr(text.data, line) :
	    NULL;

	if (found == NULL || (found > text.data && found[-1] != '\n'))
		return there == -1 ? -1 : 0;

	VM_CLEAN_BUF struct vm_buf next = { 0 };
	const char *rest = found + sizeof line - 1;
	if (vm_buf_add(&next, text.data, (size_t)(found - text.data), err) ==
		-1 ||
	    vm_buf_add_string(&next, rest, err) == -1)
		return -1;
	return vm_tree_write(engine, INTERFACES,
	    next.data == NULL ? "" : next.data, next.len, &vm_tree_keep, err);
}

/* sshd does not start without a host key, and Debian makes none at boot. */
static int
arrange_host_keys(const struct vm_op_context *context, struct vm_json *warnings,
    struct vm_error *err)
{
	const struct vm_engine *engine = context->engine;
	const char *init = vm_json_string(context->layout, "init", "");
	int has = vm_tree_has(engine, SSH_DIR "/sshd_config", err);

	if (has != 1)
		return has;
	for (size_t i = 0; i < sizeof key_makers / sizeof key_makers[0]; i++) {
		has = vm_tree_has(engine, key_makers[i], err);
		if (has != 0)
			return has == -1 ? -1 : 0;
	}
	if (strcmp(init, "openrc") == 0)
		return 0; /* its script of sshd makes them */
	has = vm_tree_has(engine, "/usr/bin/ssh-keygen", err);
	if (has == -1)
		return -1;
	if (has == 0 || strcmp(init, "systemd") != 0)
		return note(warnings, "sshd",
		    "nothing in the guest makes new host keys for it; "
		    "vmcustomize writes one",
		    err);
	if (vm_tree_make_dirs(engine, UNITS "/multi-user.target.wants",
		&vm_tree_keep, err) == -1 ||
	    vm_tree_write(engine, UNITS "/" UNIT, unit, sizeof unit - 1,
		&vm_tree_keep, err) == -1)
		return -1;
	return vm_tree_link(engine, "../" UNIT,
	    UNITS "/multi-user.target.wants/" UNIT, err);
}

/* Volumes are not in the image: the lines that mount them go. */
static int
clear_mounts(const struct vm_op_context *context, struct vm_json *warnings,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *none = vm_json_new_object();

	if (none == NULL)
		return vm_error_nomem(err);
	return vm_mounts_apply(context, none, warnings, err);
}

/* What was removed, now and ever, need not be in the image either. */
static int
trim(const struct vm_op_context *context, struct vm_error *err)
{
	const struct vm_engine *engine = context->engine;
	const struct vm_json *mounts = vm_json_get(context->layout, "mounts");

	for (size_t i = 0; i < vm_json_count(mounts); i++)
		if (engine->ops->trim(engine->state,
			vm_json_string(vm_json_at(mounts, i), "at", "/"),
			err) == -1)
			return -1;
	return 0;
}

int
vm_strip_identity(const struct vm_op_context *context, struct vm_json *warnings,
    struct vm_error *err)
{
	const struct vm_engine *engine = context->engine;

	for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++)
		if (remove_all(engine, secrets[i], true, warnings, err) == -1)
			return -1;
	for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
		if (remove_all(engine, patterns[i], false, warnings, err) == -1)
			return -1;
	if (clear_machine_id(engine, warnings, err) == -1 ||
	    clear_interfaces(engine, err) == -1 ||
	    clear_mounts(context, warnings, err) == -1 ||
	    vm_system_clear_hostname(engine, err) == -1 ||
	    arrange_host_keys(context, warnings, err) == -1)
		return -1;
	return trim(context, err);
}
