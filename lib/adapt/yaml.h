/*
 * yaml.h - YAML text to a tree of nodes with line and column (libyaml).
 *
 * Only what a hand-written configuration file needs is accepted: one document
 * of mappings, sequences and scalars in UTF-8.  Anchors, aliases, tags, merge
 * keys, directives, duplicate or non-scalar keys, a second document, a byte
 * order mark, UTF-16 and NUL are refused, each with its position; nesting,
 * the number of nodes and the size are capped, so that no input takes more
 * than 64 MiB.  Scalars stay text: what they mean is the schema's business.
 */
#ifndef VM_ADAPT_YAML_H
#define VM_ADAPT_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/adapt/json.h"
#include "lib/base/clean.h"
#include "lib/base/error.h"

#define VM_YAML_MAX_BYTES ((size_t)4 << 20)
#define VM_YAML_MAX_NODES 100000
#define VM_YAML_MAX_DEPTH 32

enum vm_yaml_type { VM_YAML_SCALAR, VM_YAML_SEQUENCE, VM_YAML_MAPPING };

struct vm_yaml_node {
	enum vm_yaml_type type;
	bool plain;		    /* a scalar without quotes */
	unsigned line, column;	    /* from 1; 0: not from a file */
	char *text;		    /* scalar: UTF-8 without NUL */
	size_t count;		    /* items, or pairs of a mapping */
	struct vm_yaml_node *first; /* items; mapping: key, value, ... */
	struct vm_yaml_node *next;  /* sibling */
};

/*
 * Parse text.  VM_E_DATA "bad_yaml" with the message "name:line:column: what";
 * name may be NULL ("line:column: what").  The tree is the caller's.
 */
struct vm_yaml_node *vm_yaml_parse(const char *name, const char *text,
    size_t len, struct vm_error *err) VM_MUST_CHECK;

/*
 * The same tree of a JSON value, at no position: numbers and booleans become
 * their text, null a plain empty scalar.
 */
struct vm_yaml_node *vm_yaml_from_json(const struct vm_json *json,
    struct vm_error *err) VM_MUST_CHECK;

/* The value (and the key itself) in a mapping, or NULL. */
const struct vm_yaml_node *vm_yaml_value(const struct vm_yaml_node *mapping,
    const char *key);
const struct vm_yaml_node *vm_yaml_key(const struct vm_yaml_node *mapping,
    const char *key);

void vm_yaml_free(struct vm_yaml_node *node);
void vm_yaml_clean(struct vm_yaml_node **node);
#define VM_CLEAN_YAML VM_CLEAN(vm_yaml_clean)

#endif
