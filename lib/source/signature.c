#include "lib/source/signature.h"

#include <string.h>

#include "lib/source/gpgv.h"
#include "lib/source/minisign.h"

#define SUFFIXES 5
#define SIGNED_END "\n-----BEGIN PGP SIGNATURE-----"

static int
check_signature(const struct vm_buf *keyring, const struct vm_buf *signature,
    struct vm_buf *text, struct vm_error *err)
{
	if (!vm_minisign_is_file(keyring))
		return vm_gpgv_verify(keyring, signature, text, err);
	return signature == NULL ?
	    vm_minisign_open(keyring, text, text, err) :
	    vm_minisign_verify(keyring, signature, text, err);
}

/* Does the text carry a signature of the keyring's kind in itself? */
static bool
is_signed_inside(const struct vm_buf *keyring, const struct vm_buf *text)
{
	return vm_minisign_is_file(keyring) ? vm_minisign_is_file(text) :
					      vm_gpgv_is_signed(text);
}

/* Put a suffix behind the path of a URL or file. */
static char *
append_suffix(const char *where, const char *suffix, struct vm_error *err)
{
	size_t path = strstr(where, "://") == NULL ? strlen(where) :
						     strcspn(where, "?#");

	return vm_buf_printf(err, "%.*s%s%s", (int)path, where, suffix,
	    where + path);
}

/* The signature that lies beside the checksums, by its usual names. */
static int
find_signature(const struct vm_source *source, const struct vm_reach *reach,
    const struct vm_signature *file, bool minisign, struct vm_buf *signature,
    struct vm_error *err)
{
	static const char *const suffixes[2][SUFFIXES] = {
		{ ".gpg", ".sign", ".asc", ".sig", NULL },
		{ ".minisig", ".sig", NULL },
	};

	for (const char *const *s = suffixes[minisign]; *s != NULL; s++) {
		struct vm_error failure = { 0 };
		char *where VM_CLEAN_FREE = append_suffix(file->where, *s, err);

		if (where == NULL)
			return -1;
		if (vm_document_read(source, reach, where, signature,
			&failure) == 0)
			return 0;
		if (failure.kind == VM_E_NO_INPUT ||
		    strcmp(failure.code, "forbidden") == 0)
			continue;
		if (err != NULL)
			*err = failure;
		return -1;
	}
	vm_error_set(err, VM_E_DENIED, "no_signature",
	    "%s: no signature in it or beside it", file->shown);
	return vm_error_hint(err, "vmfetch --signature URL");
}

int
vm_signature_check(const struct vm_signature *file,
    const struct vm_source *source, const struct vm_reach *reach,
    struct vm_buf *text, char *by, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf keyring = { 0 }, signature = { 0 };
	char hex[VM_HASH_SHA256_HEX];
	bool inside;

	if (vm_document_read(source, reach, file->keyring, &keyring, err) ==
		-1 ||
	    vm_hash_sha256(keyring.data, keyring.len, hex, err) == -1)
		return -1;
	inside = file->signature == NULL && is_signed_inside(&keyring, text);
	if (!inside &&
	    (file->signature != NULL ?
		    vm_document_read(source, reach, file->signature, &signature,
			err) :
		    find_signature(source, reach, file,
			vm_minisign_is_file(&keyring), &signature, err)) == -1)
		return -1;
	if (check_signature(&keyring, inside ? NULL : &signature, text, err) ==
	    -1)
		return vm_error_wrap(err, "%s", file->shown);
	snprintf(by, VM_SIGNATURE_BY, "signature:%s", hex);
	return 0;
}

/* RFC 9580 section 7: headers, an empty line, the text with dashes escaped. */
int
vm_signature_strip(struct vm_buf *text, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf out = { 0 };
	const char *line, *end;

	if (!vm_gpgv_is_signed(text))
		return 0;
	for (line = text->data; *line != '\0' && *line != '\n' && *line != '\r';
	     line += strcspn(line, "\n"), line += *line == '\n')
		continue;
	line += strcspn(line, "\n");
	line += *line == '\n';
	end = strstr(line, SIGNED_END);
	if (end == NULL)
		return vm_error_set(err, VM_E_DATA, "bad_signature",
		    "a signed text without its end");
	while (line <= end) {
		size_t len = strcspn(line, "\n") + 1;
		size_t skip = strncmp(line, "- ", 2) == 0 ? 2 : 0;

		if (vm_buf_add(&out, line + skip, len - skip, err) == -1)
			return -1;
		line += len;
	}
	vm_buf_release(text);
	*text = out;
	out = (struct vm_buf){ 0 };
	return 0;
}
