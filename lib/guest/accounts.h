/*
 * accounts.h - users and groups of a guest, in the text of passwd(5),
 * shadow(5) and group(5).
 *
 * Pure text work: a file is a buffer of lines with fields between colons; the
 * guest's own useradd is not run, so that every guest and engine can do it.
 * Names are [a-z_][a-z0-9_.-]{0,31} with an optional trailing '$'.
 */
#ifndef VM_GUEST_ACCOUNTS_H
#define VM_GUEST_ACCOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"

#define VM_ACCOUNT_FIELD_MAX 512

/* VM_E_DATA "bad_user". */
int vm_accounts_check_name(const char *name, struct vm_error *err)
    VM_MUST_CHECK;

/* Is there a line that begins with name and a colon? */
bool vm_accounts_has(const struct vm_buf *text, const char *name);

/* Copy field number `field` (from 0) of name's line; false: none, too long. */
bool vm_accounts_get(const struct vm_buf *text, const char *name,
    unsigned field, char out[VM_ACCOUNT_FIELD_MAX]);

/* Put value (no colon, no newline) there; VM_E_DATA "no_user" without a line.*/
int vm_accounts_set(struct vm_buf *text, const char *name, unsigned field,
    const char *value, struct vm_error *err) VM_MUST_CHECK;

/* Append a line. */
int vm_accounts_add(struct vm_buf *text, const char *line, struct vm_error *err)
    VM_MUST_CHECK;

/* Add member to the comma-separated list of a group's line. */
int vm_accounts_join(struct vm_buf *text, const char *group, unsigned field,
    const char *member, struct vm_error *err) VM_MUST_CHECK;

/*
 * The lowest number from 1000 on that neither text uses in field 2;
 * VM_E_DATA "no_id" when there is none below 60000.
 */
int vm_accounts_free_id(const struct vm_buf *passwd, const struct vm_buf *group,
    uint32_t *id, struct vm_error *err) VM_MUST_CHECK;

#endif
