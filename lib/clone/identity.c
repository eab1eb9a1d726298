#include "lib/clone/identity.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/adapt/crypto_hash.h"
#include "lib/clone/clone.h"

#define SEED_BYTES 64

int
vm_identity_plan(const struct vm_clone_options *options,
    struct vm_identity_plan *plan, struct vm_error *err)
{
	enum vm_key_type type;
	size_t i;

	memset(plan, 0, sizeof(*plan));
	if (options->uuid != NULL &&
	    vm_uuid_parse(options->uuid, plan->uuid, err) == -1)
		return vm_error_wrap(err, "--uuid");
	for (i = 0; i < options->host_key_count; i++) {
		if (vm_key_parse_type(options->host_keys[i], &type, err) == -1)
			return vm_error_wrap(err, "--host-key");
		plan->host_keys[type] = true;
	}
	if (options->host_key_count == 0)
		plan->host_keys[VM_KEY_ED25519] = !options->no_host_keys;
	return 0;
}

static void
format_hex(const unsigned char *bytes, size_t len, char *hex)
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < len; i++) {
		hex[2 * i] = digits[bytes[i] >> 4];
		hex[2 * i + 1] = digits[bytes[i] & 15];
	}
	hex[2 * len] = '\0';
}

/* A UUID without its dashes. */
static int
set_machine_id(struct vm_json *record, struct vm_error *err)
{
	char uuid[VM_UUID_TEXT], id[VM_UUID_TEXT];
	size_t i, at = 0;

	if (vm_uuid_make(uuid, err) == -1)
		return -1;
	for (i = 0; i < sizeof(uuid); i++) {
		if (uuid[i] != '-')
			id[at++] = uuid[i];
	}
	return vm_json_set_string(record, "identity.machine_id", id, err);
}

static int
set_instance_id(struct vm_json *record, struct vm_error *err)
{
	unsigned char bytes[8];
	char id[2 + 2 * sizeof(bytes) + 1] = "i-";

	if (vm_hash_random(bytes, sizeof(bytes), err) == -1)
		return -1;
	format_hex(bytes, sizeof(bytes), id + 2);
	return vm_json_set_string(record, "identity.instance_id", id, err);
}

static int
set_ids(struct vm_json *record, const char *given, struct vm_error *err)
{
	char uuid[VM_UUID_TEXT];

	if (*given != '\0')
		memcpy(uuid, given, sizeof(uuid));
	else if (vm_uuid_make(uuid, err) == -1)
		return -1;
	if (vm_json_set_string(record, "identity.uuid", uuid, err) == -1 ||
	    set_machine_id(record, err) == -1 ||
	    vm_json_set_string(record, "identity.hostname",
		vm_json_string(record, "name", ""), err) == -1 ||
	    set_instance_id(record, err) == -1)
		return -1;
	return vm_uuid_renew_generation(record, err);
}

static int
add_host_key(struct vm_json *record, enum vm_key_type type,
    struct vm_error *err)
{
	VM_CLEAN_KEY struct vm_key key = { .public = "" };
	VM_CLEAN_JSON struct vm_json *all = vm_json_new_object();
	char comment[65];

	snprintf(comment, sizeof(comment), "root@%.56s",
	    vm_json_string(record, "name", ""));
	if (vm_key_make(type, comment, &key, err) == -1)
		return -1;
	if (all == NULL)
		return vm_error_nomem(err);
	if (vm_json_set_string(all, "type", vm_key_name(type), err) == -1 ||
	    vm_json_set_string(all, "public", key.public, err) == -1 ||
	    vm_json_set_string(all, "private", key.private, err) == -1 ||
	    vm_json_append(vm_json_get(record, "identity.ssh_host_keys"),
		vm_json_new_string(key.public), err) == -1)
		return -1;
	return vm_json_append(vm_json_get(record, "private.ssh_host_keys"),
	    VM_TAKE(all), err);
}

static int
set_host_keys(struct vm_json *record, const bool wanted[VM_KEY_TYPES],
    struct vm_error *err)
{
	int type, any = 0;

	for (type = 0; type < VM_KEY_TYPES; type++)
		any |= wanted[type];
	if (!any)
		return 0;
	if (vm_json_set(record, "identity.ssh_host_keys", vm_json_new_array(),
		err) == -1 ||
	    vm_json_set(record, "private.ssh_host_keys", vm_json_new_array(),
		err) == -1)
		return -1;
	for (type = 0; type < VM_KEY_TYPES; type++) {
		if (wanted[type] &&
		    add_host_key(record, (enum vm_key_type)type, err) == -1)
			return -1;
	}
	return 0;
}

static int
set_seed(struct vm_json *record, struct vm_error *err)
{
	unsigned char seed[SEED_BYTES];
	char hex[2 * SEED_BYTES + 1];

	if (vm_hash_random(seed, sizeof(seed), err) == -1)
		return -1;
	format_hex(seed, sizeof(seed), hex);
	return vm_json_set_string(record, "private.random_seed", hex, err);
}

int
vm_identity_reseed(struct vm_json *record, struct vm_error *err)
{
	if (vm_uuid_renew_generation(record, err) == -1)
		return -1;
	return set_seed(record, err);
}

int
vm_identity_make(struct vm_json *record, const struct vm_identity_plan *plan,
    struct vm_error *err)
{
	vm_json_delete(record, "identity");
	vm_json_delete(record, "private");
	if (set_ids(record, plan->uuid, err) == -1 ||
	    set_seed(record, err) == -1)
		return -1;
	return set_host_keys(record, plan->host_keys, err);
}
