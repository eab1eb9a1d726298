/*
 * ovf_checks.h - an OVF's .mf file: the digests of the files around it.
 *
 * DSP0243 section 5.1: lines "SHA256(file)= hex".  In an OVA the .mf may come
 * before the disks or after them; until it has come every file is digested in
 * every way that it may name.  It tells damage, not origin: whoever can change
 * the disks can change it as well.
 */
#ifndef VM_IMAGE_OVF_CHECKS_H
#define VM_IMAGE_OVF_CHECKS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/adapt/crypto_hash.h"

#define VM_OVF_CHECKS_TYPES 3 /* of enum vm_hash_type */

struct vm_ovf_checks {
	bool known; /* the .mf has come */
	struct vm_ovf_expected {
		char *name;
		enum vm_hash_type type;
		char hex[VM_HASH_MAX_HEX];
		bool seen;
	} * expected;
	size_t expected_count;
	struct vm_ovf_seen {
		char *name;
		char hex[VM_OVF_CHECKS_TYPES][VM_HASH_MAX_HEX]; /* or "" */
	} * seen;
	size_t seen_count;
	struct vm_hash *hashes[VM_OVF_CHECKS_TYPES]; /* of the file at hand */
};

/* The .mf's text.  VM_E_DATA "bad_digests". */
int vm_ovf_checks_expect(struct vm_ovf_checks *checks, const char *text,
    size_t len, struct vm_error *err) VM_MUST_CHECK;

/*
 * A file: begin, its bytes, end.  VM_E_DATA "digest_mismatch", at its end when
 * the .mf has come, else when it comes.
 */
int vm_ovf_checks_begin(struct vm_ovf_checks *checks, const char *name,
    struct vm_error *err) VM_MUST_CHECK;
int vm_ovf_checks_add(struct vm_ovf_checks *checks, const void *data,
    size_t len, struct vm_error *err) VM_MUST_CHECK;
int vm_ovf_checks_end(struct vm_ovf_checks *checks, struct vm_error *err)
    VM_MUST_CHECK;

/* VM_E_DATA "file_missing" when the .mf names one that was not there. */
int vm_ovf_checks_finish(const struct vm_ovf_checks *checks,
    struct vm_error *err) VM_MUST_CHECK;

void vm_ovf_checks_release(struct vm_ovf_checks *checks);
#define VM_CLEAN_OVF_CHECKS VM_CLEAN(vm_ovf_checks_release)

#endif
