#include <crypt.h>

#include "lib/adapt/crypt.h"

#include <stdio.h>
#include <string.h>

#include "lib/adapt/crypto_hash.h"

_Static_assert(VM_CRYPT_TEXT >= CRYPT_OUTPUT_SIZE, "room for any hash");

int
vm_crypt_hash(const char *password, char hash[VM_CRYPT_TEXT],
    struct vm_error *err)
{
	unsigned char noise[16];
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	struct crypt_data data = { 0 };
	const char *made;
	int result = 0;

	if (password[0] == '\0' ||
	    strlen(password) >= CRYPT_MAX_PASSPHRASE_SIZE)
		return vm_error_set(err, VM_E_DATA, "bad_password",
		    "password: empty or longer than %d bytes",
		    CRYPT_MAX_PASSPHRASE_SIZE - 1);
	if (vm_hash_random(noise, sizeof noise, err) == -1)
		return -1;
	if (crypt_gensalt_rn("$6$", 0, (const char *)noise, sizeof noise,
		setting, sizeof setting) == NULL)
		return vm_error_set(err, VM_E_SYSTEM, "no_crypt",
		    "libcrypt makes no sha512crypt hashes");
	made = crypt_r(password, setting, &data);
	if (made == NULL || made[0] != '$')
		result = vm_error_set(err, VM_E_SYSTEM, "no_crypt",
		    "libcrypt makes no sha512crypt hashes");
	else
		snprintf(hash, VM_CRYPT_TEXT, "%s", made);
	explicit_bzero(&data, sizeof data);
	return result;
}
