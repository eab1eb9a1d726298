/*
 * schema.h - the one table of what a manifest may say.
 *
 * It is the source of the validator, of the JSON Schema that `vmsched schema`
 * prints and of the check of vmpipe-manifest(5).  A schema describes a value;
 * a map's fields name further schemas.  Scalars are typed by the schema and
 * never by their looks, and what comes out is in one normal form:
 *
 *	size		text in the largest unit that is exact: "1G", "1536M"
 *	duration	text in the largest unit that is exact: "2m", "90s"
 *	mode		four octal digits: "0644" (a bare 0644, too, is octal)
 *	short forms	a scalar for a map with `scalar_as` becomes that map:
 *			replicas: 2  ->  {"initial": 2}
 *
 * A key that this version does not obey yet is known but refused: LATER.
 *
 * The operations of customize: and instance: are maps with exactly one member;
 * arguments in brackets are optional:
 *
 *	{"hostname": TEXT}			{"timezone": "Europe/Berlin"}
 *	{"write": {"path","content",["mode"]}}
 *	{"append_line": {"path","line"}}
 *	{"upload": {"source","path",["mode"],["sha256"]}}
 *	{"mkdir": {"path",["mode"]}}		short: mkdir: /path
 *	{"delete": {"path"}}			short: delete: /path
 *	{"link": {"target","path"}}
 *	{"chmod": {"path","mode"}}
 *	{"user": {"name",["sudo": true],["groups": [NAME...]],["shell"],
 *	    ["ssh_keys": [KEY...]],["password": SECRET]}}
 *	{"root_password": SECRET}
 *	{"ssh_inject": {"user",["key"|"file",["sha256"]]}}   short: the user
 *	{"run": {"source",["sha256"]}}		short: run: script.sh
 *	{"run_command": TEXT}
 *	{"install": [PACKAGE...]}
 *	{"firstboot": {"source",["sha256"]}}	short: firstboot: script.sh
 *	{"firstboot_command": TEXT}
 *
 *	KEY is {"key": "ssh-ed25519 AAAA..."} (short: the text) or {"file":
 *	PATH,["sha256"]}; SECRET is {"hash": crypt(5)}, {"file": PATH,
 *	["sha256"]} (the file holds the plain secret) or, under instance: only,
 *	{"plain": TEXT} (short: the text).  ssh_inject without key or file is
 *	the caller's own public key, as with virt-customize.
 *
 * "sha256" is set in records by vmfetch, when it takes the file into the
 * store; a manifest may not set it.  Texts may hold {{variables}} (vars.h)
 * except for local files, digests and names of packages and users; a text that
 * does is checked in full only when expanded, with vm_schema_check_json().
 */
#ifndef VM_RECORD_SCHEMA_H
#define VM_RECORD_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/adapt/json.h"
#include "lib/adapt/yaml.h"
#include "lib/base/buf.h"
#include "lib/base/error.h"

#define VM_SCHEMA_MAX_PROBLEMS 20

enum vm_schema_kind {
	VM_SCHEMA_TEXT,
	VM_SCHEMA_SIZE,	    /* min, max in bytes */
	VM_SCHEMA_DURATION, /* min, max in milliseconds */
	VM_SCHEMA_MODE,
	VM_SCHEMA_NUMBER,
	VM_SCHEMA_BOOL,
	VM_SCHEMA_LIST, /* of item; min, max: how many */
	VM_SCHEMA_DICT, /* any names, values are item */
	VM_SCHEMA_MAP	/* the members that fields names */
};

enum vm_schema_flag {
	VM_SCHEMA_REQUIRED = 1 << 0,
	VM_SCHEMA_CHOICE = 1 << 1, /* at most one of these in a map */
	VM_SCHEMA_LATER = 1 << 2,  /* known, not supported yet: refused */
	VM_SCHEMA_RECORD = 1 << 3, /* in records only */
	VM_SCHEMA_PLAIN = 1 << 4,  /* a plain secret: instance: only */
	VM_SCHEMA_CLONE = 1 << 5,  /* below it: differs per clone */
	VM_SCHEMA_SHARED = 1 << 6  /* below it: the same for all clones */
};

struct vm_schema_field {
	const char *name;
	const struct vm_schema *schema;
	unsigned flags;
	const char *with; /* only beside this member */
	const char *help; /* one line */
};

struct vm_schema {
	enum vm_schema_kind kind;
	const char *what;	  /* "a size such as 10G": messages */
	uint64_t min, max;	  /* max 0: none; TEXT: bytes */
	const char *pattern;	  /* TEXT: POSIX ERE, ECMA as well */
	const char *const *words; /* TEXT: the only values */
	int (*check)(const char *text, struct vm_error *err);
	bool secret;		      /* TEXT: never shown */
	bool vars;		      /* TEXT: {{variables}} are expanded */
	const struct vm_schema *item; /* LIST, DICT */
	const char *unique; /* LIST of MAP: no two with this member alike */
	const struct vm_schema *key;	      /* DICT: its names */
	const struct vm_schema_field *fields; /* MAP; ends with all-zero */
	const char *scalar_as; /* MAP: the field a scalar stands for */
	bool need_choice;      /* MAP: exactly one CHOICE, not none */
};

/* The tables: schema_role.c and schema_ops.c. */
extern const struct vm_schema vm_schema_manifest; /* a whole file */
extern const struct vm_schema vm_schema_role;
extern const struct vm_schema vm_schema_operations; /* a list of them */
extern const struct vm_schema vm_schema_operation;  /* its item */

/* Formats shared by the tables: schema_text.c. */
extern const struct vm_schema vm_schema_text, vm_schema_line, vm_schema_name,
    vm_schema_word, vm_schema_guest_path, vm_schema_local_file,
    vm_schema_sha256, vm_schema_mode, vm_schema_true, vm_schema_flag_value,
    vm_schema_hostname, vm_schema_address, vm_schema_ip, vm_schema_mac,
    vm_schema_port, vm_schema_any_port;

/* A check under way; all-zero is a fresh one for a record. */
struct vm_schema_run {
	const char *file;	  /* NULL: messages without a position */
	struct vm_buf *problems;  /* all, one a line; may be NULL */
	unsigned count;		  /* problems found */
	struct vm_error first;	  /* the first of them */
	char path[256];		  /* of the value being checked */
	bool is_manifest;	  /* RECORD fields are refused */
	bool is_expanded;	  /* {{ has no meaning any more */
	bool is_clone, is_shared; /* below instance:, below customize: */
};

/*
 * Check node and build its JSON in normal form.  NULL when there is any
 * problem: run->first is set (VM_E_DATA "bad_manifest", or VM_E_SYSTEM).
 */
struct vm_json *vm_schema_build(const struct vm_schema *schema,
    const struct vm_yaml_node *node, struct vm_schema_run *run) VM_MUST_CHECK;

/*
 * Note a problem: "FILE:LINE:COLUMN: PATH: message", or only from PATH on.
 * At most VM_SCHEMA_MAX_PROBLEMS are written down.
 */
void vm_schema_problem(struct vm_schema_run *run, const struct vm_yaml_node *at,
    const char *format, ...) VM_PRINTF(3, 4);

/* Any error of ours (no memory): ends the check. */
void vm_schema_fail(struct vm_schema_run *run, const struct vm_error *err);

/* Make run->path that of a member or item; leave with the value returned. */
size_t vm_schema_enter(struct vm_schema_run *run, const char *name);
void vm_schema_leave(struct vm_schema_run *run, size_t mark);

/* A scalar by its kind: of vm_schema_build(), in schema_scalar.c. */
struct vm_json *vm_schema_build_scalar(const struct vm_schema *schema,
    const struct vm_yaml_node *node, struct vm_schema_run *run) VM_MUST_CHECK;

/*
 * The same for JSON (a record's spec, an operation): a new value in normal
 * form.  Messages name the path from `name` on ("spec.customize.0.write.mode");
 * VM_E_DATA "bad_manifest".  With `expanded` every text is held against its
 * format and {{ has no meaning; else texts with variables are let through.
 */
struct vm_json *vm_schema_check_json(const struct vm_schema *schema,
    const struct vm_json *value, const char *name, bool expanded,
    struct vm_error *err) VM_MUST_CHECK;

/* The JSON Schema (draft 2020-12) of the manifest. */
struct vm_json *vm_schema_to_json_schema(struct vm_error *err) VM_MUST_CHECK;

#endif
