#include "lib/record/uuid.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lib/adapt/crypto_hash.h"
#include "lib/base/log.h"

int
vm_uuid_make(char uuid[VM_UUID_TEXT], struct vm_error *err)
{
	unsigned char b[16];
	size_t i, at = 0;

	if (vm_hash_random(b, sizeof(b), err) == -1)
		return -1;
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* version 4 */
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80); /* variant 1 */
	for (i = 0; i < sizeof(b); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			uuid[at++] = '-';
		at += (size_t)snprintf(uuid + at, VM_UUID_TEXT - at, "%02x",
		    b[i]);
	}
	return 0;
}

static bool
is_uuid(const char *text)
{
	static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	size_t i;

	for (i = 0; shape[i] != '\0'; i++) {
		if (shape[i] == '-' ? text[i] != '-' :
				      !isxdigit((unsigned char)text[i]))
			return false;
	}
	return text[i] == '\0' && strspn(text, "0-") < i;
}

int
vm_uuid_parse(const char *text, char uuid[VM_UUID_TEXT], struct vm_error *err)
{
	char safe[80];
	size_t i;

	if (!is_uuid(text))
		return vm_error_set(err, VM_E_USAGE, "bad_uuid",
		    "\"%s\" is no UUID, like "
		    "5d0c9c1e-6c0f-4a5e-9b1c-2f6a0f0c7d11",
		    vm_log_escape(text, safe, sizeof(safe)));
	for (i = 0; i < VM_UUID_TEXT; i++)
		uuid[i] = (char)tolower((unsigned char)text[i]);
	return 0;
}

int
vm_uuid_renew_generation(struct vm_json *record, struct vm_error *err)
{
	char uuid[VM_UUID_TEXT];

	if (vm_uuid_make(uuid, err) == -1)
		return -1;
	return vm_json_set_string(record, "identity.generation_id", uuid, err);
}
