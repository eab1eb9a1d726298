#include "lib/image/trust.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "lib/base/log.h"
#include "lib/source/document.h"
#include "lib/image/fetch.h"
#include "lib/image/ovf_files.h"
#include "lib/source/signature.h"
#include "lib/source/sums.h"
#include "lib/store/image.h"

#define NAMES 5

/* A file of checksums, and what is known of it. */
struct document {
	char *where, *shown;
	struct vm_buf text;
	bool was_read, is_common; /* is_common: of all images beside it */
	struct vm_sums sums;
};

static void
release(struct document *document)
{
	free(document->where);
	free(document->shown);
	vm_buf_release(&document->text);
	*document = (struct document){ 0 };
}
#define CLEAN_DOCUMENT VM_CLEAN(release)

int
vm_trust_parse_verify(const char *word, enum vm_verify *verify,
    struct vm_error *err)
{
	static const struct {
		const char *word;
		enum vm_verify verify;
	} words[] = { { "no", VM_VERIFY_NO },
		{ "checksum", VM_VERIFY_CHECKSUM },
		{ "signature", VM_VERIFY_SIGNATURE } };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i].word, word) == 0) {
			*verify = words[i].verify;
			return 0;
		}
	}
	return vm_error_set(err, VM_E_USAGE, "usage",
	    "--verify=%s: no, checksum or signature", word);
}

/* --- what is asked for --------------------------------------------------- */

static bool
wants_signature(const struct vm_source *source,
    const struct vm_fetch_options *options)
{
	return source->keyring != NULL || source->signature != NULL ||
	    options->verify == VM_VERIFY_SIGNATURE;
}

/* Must there be a file of checksums? */
static bool
wants_checksums(const struct vm_source *source,
    const struct vm_fetch_options *options)
{
	return source->checksums != NULL || wants_signature(source, options) ||
	    (options->verify == VM_VERIFY_CHECKSUM &&
		source->digest[0] == '\0');
}

static int
refuse(struct vm_error *err, const char *why)
{
	return vm_error_set(err, VM_E_USAGE, "usage", "%s", why);
}

int
vm_trust_check(const struct vm_source *source,
    const struct vm_fetch_options *options, struct vm_error *err)
{
	bool sums = wants_checksums(source, options);
	bool signature = wants_signature(source, options);

	if (signature && source->keyring == NULL)
		return refuse(err,
		    "a signature is checked with --keyring FILE");
	if (signature && strstr(source->keyring, "://") != NULL)
		return refuse(err,
		    "a keyring is a file: one that comes by the "
		    "network proves nothing");
	if (signature && options->reach.insecure)
		return refuse(err,
		    "--insecure and a signature exclude each "
		    "other");
	if (sums && source->digest[0] != '\0')
		return refuse(err,
		    "a digest is given: checksums and "
		    "signatures do not go with it");
	if (sums && options->verify == VM_VERIFY_NO)
		return refuse(err,
		    "--verify=no, but checksums or a signature "
		    "are asked for");
	if (sums && vm_ovf_files_is(source))
		return refuse(err, "checksums are of one file; use --checksum");
	if (sums && source->kind == VM_SOURCE_STDIN)
		return refuse(err,
		    "an image from stdin has no name to look "
		    "for in checksums; use --checksum");
	return 0;
}

/* Do the checksums come in the clear?  (NULL: those beside the image.) */
static bool
are_plain(const struct vm_source *source,
    const struct vm_fetch_options *options)
{
	const char *where = source->checksums;

	return where == NULL || strcmp(where, "auto") == 0 ?
	    vm_source_is_plain(source) :
	    vm_document_is_plain(where, &options->reach);
}

static int
refuse_plain(struct vm_error *err, const char *why)
{
	vm_error_set(err, VM_E_DENIED, "insecure", "%s", why);
	return vm_error_hint(err,
	    "vmfetch --checksum sha256:HEX, --keyring FILE, or "
	    "--insecure to trust the network");
}

/* Is there a password in the URL (RFC 3986 section 3.2.1)? */
static bool
has_password(const struct vm_source *source)
{
	const char *begin = strstr(source->location, "://");
	size_t len = begin == NULL ? 0 : strcspn(begin + 3, "/?#");
	const char *at = len == 0 ? NULL : memrchr(begin + 3, '@', len);

	return at != NULL &&
	    memchr(begin + 3, ':', (size_t)(at - begin - 3)) != NULL;
}

int
vm_trust_check_way(const struct vm_source *source,
    const struct vm_fetch_options *options, struct vm_error *err)
{
	const struct vm_http_access *access = &options->reach.access;

	if (options->reach.insecure)
		return 0;
	if (vm_source_is_plain(source) &&
	    (access->token != NULL || access->user != NULL ||
		has_password(source))) {
		vm_error_set(err, VM_E_DENIED, "insecure",
		    "not encrypted: anybody on the way could read the "
		    "credentials");
		return vm_error_hint(err, "vmfetch --insecure to let them");
	}
	if (source->digest[0] != '\0' || wants_signature(source, options) ||
	    !are_plain(source, options))
		return 0;
	/* However the image comes: its mirrors, and the store, have only this
	 * digest to go by. */
	return refuse_plain(err,
	    source->checksums != NULL ?
		"checksums by plain http, and not signed: anybody on the way "
		"could change them" :
		strncmp(source->shown, "ftp:", 4) == 0 ?
		"plain ftp and no digest: anybody on the way could change it" :
		"plain http and no digest: anybody on the way could change it");
}

static int
verify(const struct vm_source *source, const struct vm_fetch_options *options,
    struct document *document, struct vm_trust *trust, struct vm_error *err)
{
	const struct vm_signature signature = {
		.keyring = source->keyring,
		.signature = source->signature,
		.where = document->where,
		.shown = document->shown,
	};

	return vm_signature_check(&signature, source, &options->reach,
	    &document->text, trust->by, err);
}

/* Was it looked up in the checksums that are named now? */
static bool
are_same_checksums(const struct vm_source *source, const struct vm_json *facts)
{
	char *shown VM_CLEAN_FREE = source->checksums == NULL ?
	    NULL :
	    vm_document_show(source->checksums, NULL);

	return source->checksums == NULL ||
	    (shown != NULL &&
		strcmp(shown,
		    vm_json_string(facts, "trust.checksums", "auto")) == 0);
}

bool
vm_trust_is_met(const struct vm_source *source, const char *origin,
    const struct vm_fetch_options *options, const struct vm_json *facts)
{
	const char *by = vm_json_string(facts, "trust.by", "");
	const char *from = vm_json_string(facts, "trust.source", "");
	VM_CLEAN_BUF struct vm_buf keyring = { 0 };
	char hex[VM_HASH_SHA256_HEX];

	if (!wants_checksums(source, options))
		return true;
	if (!are_same_checksums(source, facts))
		return false;
	if (!wants_signature(source, options))
		return by[0] != '\0';
	return strncmp(by, "signature:", 10) == 0 && origin != NULL &&
	    strcmp(from, origin) == 0 && source->keyring != NULL &&
	    vm_document_read(source, &options->reach, source->keyring, &keyring,
		NULL) == 0 &&
	    vm_hash_sha256(keyring.data, keyring.len, hex, NULL) == 0 &&
	    strcmp(by + 10, hex) == 0;
}

/* --- for the next time --------------------------------------------------- */

static int
set_place(struct vm_json *trust, const char *name, const char *where,
    struct vm_error *err)
{
	char *shown VM_CLEAN_FREE = where == NULL ?
	    NULL :
	    vm_document_show(where, err);

	if (where == NULL)
		return 0;
	return shown == NULL ? -1 : vm_json_set_string(trust, name, shown, err);
}

struct vm_json *
vm_trust_describe(const struct vm_source *source, struct vm_error *err)
{
	struct vm_json *made VM_CLEAN_JSON = vm_json_new_object();

	if (made == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	if (vm_json_set_string(made, "source", source->shown, err) == -1 ||
	    set_place(made, "checksums", source->checksums, err) == -1 ||
	    set_place(made, "signature", source->signature, err) == -1 ||
	    set_place(made, "keyring", source->keyring, err) == -1)
		return NULL;
	return VM_TAKE(made);
}

int
vm_trust_note(struct vm_store *store, const char *id,
    const struct vm_source *source, const struct vm_trust *trust,
    struct vm_error *err)
{
	struct vm_json *made VM_CLEAN_JSON = NULL;
	struct vm_json *facts VM_CLEAN_JSON = NULL;

	if (trust->by[0] == '\0')
		return 0;
	made = vm_trust_describe(source, err);
	if (made == NULL ||
	    vm_json_set_string(made, "by", trust->by, err) == -1)
		return -1;
	facts = vm_image_load(store, id, err);
	if (facts == NULL)
		return -1;
	return vm_json_is_equal(made, vm_json_get(facts, "trust")) ?
	    0 :
	    vm_image_set_trust(store, id, made, err);
}

/* The setters of these strings are elsewhere; here they are only pointed to. */
static char *
borrow(const struct vm_json *trust, const char *name)
{
	return (char *)(uintptr_t)vm_json_string(trust, name, NULL);
}

void
vm_trust_recall(const struct vm_json *trust,
    const struct vm_fetch_options *options, struct vm_source *source)
{
	if (options->verify == VM_VERIFY_NO || source->digest[0] != '\0' ||
	    strcmp(vm_json_string(trust, "source", ""), source->shown) != 0)
		return;
	if (source->checksums == NULL && source->signature == NULL) {
		source->checksums = borrow(trust, "checksums");
		source->signature = borrow(trust, "signature");
	}
	if (source->keyring == NULL)
		source->keyring = borrow(trust, "keyring");
}

/* --- checksums ----------------------------------------------------------- */

/* The name that a file of checksums would call the image by. */
static char *
file_name(const struct vm_source *source, struct vm_error *err)
{
	const char *slash = strrchr(source->location, '/');

	return source->kind == VM_SOURCE_HTTP ?
	    vm_http_file_name(source->location, err) :
	    vm_buf_printf(err, "%s",
		slash == NULL ? source->location : slash + 1);
}

/* Read it, check its signature if that is wanted, and look the image up. */
static int
try_document(const struct vm_source *source,
    const struct vm_fetch_options *options, const char *name,
    struct document *document, struct vm_trust *trust, struct vm_error *err)
{
	document->shown = vm_document_show(document->where, err);
	if (document->shown == NULL ||
	    vm_document_read(source, &options->reach, document->where,
		&document->text, err) == -1)
		return -1;
	document->was_read = true;
	snprintf(trust->by, sizeof(trust->by), "checksums");
	if (wants_signature(source, options) &&
	    verify(source, options, document, trust, err) == -1)
		return -1;
	if (vm_sums_find(document->text.data, document->text.len, name,
		&document->sums, err) == -1)
		return vm_error_wrap(err, "%s", document->shown);
	if (document->is_common && document->sums.is_bare)
		return vm_error_set(err, VM_E_DATA, "not_in_checksums",
		    "%s: a digest without a name", document->shown);
	return 0;
}

/* Is there just none here, so that the next name is worth a try? */
static bool
is_absence(const struct document *document, const struct vm_error *failure)
{
	if (!document->was_read)
		return failure->kind == VM_E_NO_INPUT ||
		    strcmp(failure->code, "forbidden") == 0 ||
		    strcmp(failure->code, "http_status") == 0;
	return strcmp(failure->code, "no_signature") == 0 ||
	    strcmp(failure->code, "not_in_checksums") == 0;
}

/* 1: found, 0: there is none, -1. */
static int
find_document(const struct vm_source *source,
    const struct vm_fetch_options *options, const char *name,
    struct document *document, struct vm_trust *trust, struct vm_error *missing,
    struct vm_error *err)
{
	static const char *const names[NAMES] = { "SHA512SUMS", "SHA256SUMS",
		"CHECKSUM", "%s.sha512", "%s.sha256" };

	for (size_t i = 0; i < NAMES; i++) {
		struct vm_error failure = { 0 };
		char *wanted VM_CLEAN_FREE = names[i][0] != '%' ?
		    vm_buf_printf(err, "%s", names[i]) :
		    vm_buf_printf(err, "%s%s", name, names[i] + 2);

		release(document);
		document->is_common = names[i][0] != '%';
		if (wanted == NULL ||
		    (document->where = vm_document_beside(source, wanted,
			 err)) == NULL)
			return -1;
		if (try_document(source, options, name, document, trust,
			&failure) == 0)
			return 1;
		if (!is_absence(document, &failure)) {
			if (err != NULL)
				*err = failure;
			return -1;
		}
		if (document->was_read)
			*missing = failure;
	}
	return 0;
}

static int
fail_absent(const struct vm_error *missing, struct vm_error *err)
{
	if (vm_error_is_set(missing)) { /* there was one, but no good */
		if (err != NULL)
			*err = *missing;
		return -1;
	}
	vm_error_set(err, VM_E_NO_INPUT, "no_checksums",
	    "no checksums beside it: SHA512SUMS, SHA256SUMS, CHECKSUM or its "
	    "own");
	return vm_error_hint(err, "vmfetch --checksums URL");
}

static void
pin(struct vm_source *source, const struct document *document)
{
	source->digest_type = document->sums.type;
	memcpy(source->digest, document->sums.hex, sizeof(source->digest));
	vm_log(VM_LOG_INFO, "%s: its digest is in %s", source->shown,
	    document->shown);
}

int
vm_trust_pin(struct vm_source *source, const struct vm_fetch_options *options,
    struct vm_trust *trust, struct vm_error *err)
{
	struct document document CLEAN_DOCUMENT = { 0 };
	struct vm_trust made = { 0 };
	struct vm_error missing = { 0 };
	bool wanted = wants_checksums(source, options);
	char *name VM_CLEAN_FREE = NULL;
	int found = 1;

	if (source->digest[0] != '\0' || vm_ovf_files_is(source) ||
	    (!wanted &&
		(options->verify == VM_VERIFY_NO ||
		    strncmp(source->shown, "https://", 8) != 0)))
		return 0;
	name = file_name(source, err);
	if (name == NULL)
		return -1;
	if (source->checksums != NULL &&
	    strcmp(source->checksums, "auto") != 0) {
		document.where = vm_buf_printf(err, "%s", source->checksums);
		if (document.where == NULL ||
		    try_document(source, options, name, &document, &made,
			err) == -1)
			return -1;
	} else {
		found = find_document(source, options, name, &document, &made,
		    &missing, err);
	}
	if (found == 0 && wanted)
		return fail_absent(&missing, err);
	if (found != 1)
		return found;
	pin(source, &document);
	*trust = made;
	return 0;
}
