#include "lib/guest/identity.h"

#include <stdio.h>
#include <string.h>

#include "lib/guest/mounts.h"
#include "lib/guest/system.h"
#include "lib/guest/tree.h"

#define IDENTITY_VERSION 1
#define SSH_DIR "/etc/ssh"
#define RELEASE "/etc/vmpipe-release"
#define SEED "/var/lib/systemd/random-seed"
#define SEED_MAX 512

struct vm_json *
vm_identity_canonical(const struct vm_json *record, bool set_hostname,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *all = vm_json_new_object();
	const struct vm_json *networks = vm_json_get(record, "spec.networks");
	VM_CLEAN_JSON struct vm_json *mounts = vm_mounts_canonical(record, err);

	if (vm_json_set_int(all, "version", IDENTITY_VERSION, err) == -1 ||
	    vm_json_set_string(all, "name", vm_json_string(record, "name", ""),
		err) == -1 ||
	    vm_json_set_bool(all, "hostname", set_hostname, err) == -1)
		return NULL;
	for (size_t i = 0; i < 4; i++) {
		static const char *const members[] = { "uuid", "machine_id",
			"nics", "ssh_host_keys" };
		char path[64];
		const struct vm_json *value;

		snprintf(path, sizeof path, "identity.%s", members[i]);
		value = vm_json_get(record, path);
		if (value != NULL &&
		    vm_json_set(all, members[i], vm_json_copy(value), err) ==
			-1)
			return NULL;
	}
	if (networks != NULL &&
	    vm_json_set(all, "networks", vm_json_copy(networks), err) == -1)
		return NULL;
	if (mounts == NULL ||
	    (vm_json_count(mounts) > 0 &&
		vm_json_set(all, "mounts", VM_TAKE(mounts), err) == -1))
		return NULL;
	return VM_TAKE(all);
}

/* 1: a directory is there, 0: not. */
static int
has_dir(const struct vm_engine *engine, const char *path, struct vm_error *err)
{
	struct vm_engine_stat st = { 0 };
	int there = vm_tree_stat(engine, path, &st, err);

	return there == 1 ? st.type == VM_ENGINE_DIR : there;
}

/* systemd's and D-Bus' own file, where they are. */
static int
write_machine_id(const struct vm_op_context *context, const char *id,
    struct vm_error *err)
{
	static const char *const files[] = { "/etc/machine-id",
		"/var/lib/dbus/machine-id" };
	const struct vm_tree_attr attr = { 0444, 0, 0 };
	bool systemd = strcmp(vm_json_string(context->layout, "init", ""),
			   "systemd") == 0;
	char line[80];

	snprintf(line, sizeof line, "%.64s\n", id);
	for (size_t i = 0; i < 2; i++) {
		struct vm_engine_stat st = { .type = VM_ENGINE_FILE };
		int there = vm_tree_stat(context->engine, files[i], &st, err);

		if (there == -1)
			return -1;
		if (there == 0 && !(systemd && i == 0))
			continue;
		/* D-Bus' is a link to systemd's where there are both */
		if (st.type == VM_ENGINE_LINK && i == 1)
			continue;
		if (vm_tree_write(context->engine, files[i], line, strlen(line),
			&attr, err) == -1)
			return -1;
	}
	return 0;
}

/* Our host keys and no others: a baked one would be shared by all clones. */
static int
write_host_keys(const struct vm_engine *engine, const struct vm_json *keys,
    struct vm_error *err)
{
	static const char patterns[][40] = { SSH_DIR "/ssh_host_*_key",
		SSH_DIR "/ssh_host_*_key.pub" };
	VM_CLEAN_BUF struct vm_buf old = { 0 };
	int there = has_dir(engine, SSH_DIR, err);

	if (there != 1 || vm_json_count(keys) == 0)
		return there == -1 ? -1 : 0;
	for (size_t i = 0; i < 2; i++)
		if (engine->ops->glob(engine->state, patterns[i], &old, err) ==
		    -1)
			return -1;
	for (size_t at = 0; at < old.len; at += strlen(old.data + at) + 1)
		if (vm_tree_remove(engine, old.data + at, err) == -1)
			return -1;
	for (size_t i = 0; i < vm_json_count(keys); i++) {
		const struct vm_tree_attr secret = { 0600, 0, 0 },
					  open = { 0644, 0, 0 };
		const struct vm_json *key = vm_json_at(keys, i);
		const char *type = vm_json_string(key, "type", "ed25519");
		const char *private = vm_json_string(key, "private", "");
		VM_CLEAN_FREE char *public = vm_buf_printf(err, "%s\n",
		    vm_json_string(key, "public", ""));
		char path[128];

		snprintf(path, sizeof path, SSH_DIR "/ssh_host_%.20s_key",
		    type);
		if (public == NULL ||
		    vm_tree_write(engine, path, private, strlen(private),
			&secret, err) == -1)
			return -1;
		snprintf(path, sizeof path, SSH_DIR "/ssh_host_%.20s_key.pub",
		    type);
		if (vm_tree_write(engine, path, public, strlen(public), &open,
			err) == -1)
			return -1;
	}
	return 0;
}

/* Hexadecimal digits, up to SEED_MAX bytes; what is none ends it. */
static size_t
decode_hex(const char *text, unsigned char out[SEED_MAX])
{
	static const char digits[] = "0123456789abcdef";
	size_t len = 0;

	for (; len < SEED_MAX && text[0] != '\0' && text[1] != '\0';
	     text += 2) {
		const char *high = strchr(digits, text[0]);
		const char *low = strchr(digits, text[1]);

		if (high == NULL || low == NULL)
			break;
		out[len++] = (unsigned char)((high - digits) << 4 |
		    (low - digits));
	}
	return len;
}

static int
write_seed(const struct vm_engine *engine, const char *seed,
    struct vm_error *err)
{
	const struct vm_tree_attr attr = { 0600, 0, 0 };
	unsigned char data[SEED_MAX];
	size_t len = decode_hex(seed, data);
	int there = has_dir(engine, "/var/lib/systemd", err);

	if (there != 1 || len == 0)
		return there == -1 ? -1 : 0;
	return vm_tree_write(engine, SEED, data, len, &attr, err);
}

static int
write_release(const struct vm_engine *engine, const struct vm_json *record,
    struct vm_error *err)
{
	const struct vm_tree_attr attr = { 0644, 0, 0 };
	VM_CLEAN_BUF struct vm_buf text = { 0 };

	if (vm_buf_format(&text, err,
		"VMPIPE_VERSION=" VM_VERSION "\nNAME=%s\nUUID=%s\n"
		"INSTANCE=%s\nIMAGE=%s\nLAYER=%s\n",
		vm_json_string(record, "name", ""),
		vm_json_string(record, "identity.uuid", ""),
		vm_json_string(record, "identity.instance_id", ""),
		vm_json_string(record, "image.id", ""),
		vm_json_string(record, "layer", "")) == -1)
		return -1;
	return vm_tree_write(engine, RELEASE, text.data, text.len, &attr, err);
}

int
vm_identity_apply(const struct vm_op_context *context,
    const struct vm_json *record, bool set_hostname, struct vm_json *warnings,
    struct vm_error *err)
{
	const struct vm_engine *engine = context->engine;
	const char *id = vm_json_string(record, "identity.machine_id", NULL);

	if (set_hostname &&
	    vm_system_set_hostname(engine, vm_json_string(record, "name", ""),
		err) == -1)
		return -1;
	if (id != NULL && write_machine_id(context, id, err) == -1)
		return -1;
	if (write_host_keys(engine,
		vm_json_get(record, "private.ssh_host_keys"), err) == -1 ||
	    write_seed(engine,
		vm_json_string(record, "private.random_seed", ""), err) == -1)
		return -1;
	if (vm_network_apply(context, record, warnings, err) == -1 ||
	    vm_mounts_apply(context, record, warnings, err) == -1)
		return -1;
	return write_release(engine, record, err);
}
