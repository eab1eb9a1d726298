#include "lib/clone/identity.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/adapt/crypto_hash.h"
#include "lib/adapt/crypto_key.h"

#define SEED_BYTES 64

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

/* 32 hex digits of a version 4, variant 1 UUID. */
static int
make_uuid(char hex[33], struct vm_error *err)
{
	unsigned char b[16];

	if (vm_hash_random(b, sizeof(b), err) == -1)
		return -1;
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	format_hex(b, sizeof(b), hex);
	return 0;
}

static int
set_uuid(struct vm_json *record, const char *path, struct vm_error *err)
{
	char hex[33], uuid[37];

	if (make_uuid(hex, err) == -1)
		return -1;
	snprintf(uuid, sizeof(uuid), "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8,
	    hex + 12, hex + 16, hex + 20);
	return vm_json_set_string(record, path, uuid, err);
}

static int
set_ids(struct vm_json *record, struct vm_error *err)
{
	char hex[33], instance[40];

	if (set_uuid(record, "identity.uuid", err) == -1 ||
	    make_uuid(hex, err) == -1 ||
	    vm_json_set_string(record, "identity.machine_id", hex, err) == -1 ||
	    vm_json_set_string(record, "identity.hostname",
		vm_json_string(record, "name", ""), err) == -1 ||
	    make_uuid(hex, err) == -1)
		return -1;
	snprintf(instance, sizeof(instance), "i-%.16s", hex + 16);
	if (vm_json_set_string(record, "identity.instance_id", instance, err) ==
	    -1)
		return -1;
	return set_uuid(record, "identity.generation_id", err);
}

static int
set_host_key(struct vm_json *record, struct vm_error *err)
{
	char public[VM_KEY_PUBLIC_TEXT], private[VM_KEY_PRIVATE_TEXT];
	char comment[65];
	int rc;

	snprintf(comment, sizeof(comment), "root@%.56s",
	    vm_json_string(record, "name", ""));
	if (vm_key_make_ed25519(comment, public, private, err) == -1)
		return -1;
	rc = vm_json_set(record, "identity.ssh_host_keys", vm_json_new_array(),
		 err) == -1 ||
		vm_json_set_string(record, "identity.ssh_host_keys.0", public,
		    err) == -1 ||
		vm_json_set(record, "private.ssh_host_keys",
		    vm_json_new_array(), err) == -1 ||
		vm_json_set_string(record, "private.ssh_host_keys.0.type",
		    "ed25519", err) == -1 ||
		vm_json_set_string(record, "private.ssh_host_keys.0.public",
		    public, err) == -1 ||
		vm_json_set_string(record, "private.ssh_host_keys.0.private",
		    private, err) == -1 ?
	    -1 :
	    0;
	explicit_bzero(private, sizeof(private));
	return rc;
}

int
vm_identity_renew(struct vm_json *record, struct vm_error *err)
{
	return set_uuid(record, "identity.generation_id", err);
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
	return vm_identity_renew(record, err) == -1 ? -1 :
						      set_seed(record, err);
}

int
vm_identity_make(struct vm_json *record, bool with_host_key,
    struct vm_error *err)
{
	vm_json_delete(record, "identity");
	vm_json_delete(record, "private");
	if (set_ids(record, err) == -1 || set_seed(record, err) == -1)
		return -1;
	return with_host_key ? set_host_key(record, err) : 0;
}
