/*
 * yaml.c - from libyaml's events to a tree.
 *
 * The document is composed by hand rather than by yaml_parser_load(), because
 * what is refused (anchors, tags, merge keys) must be refused before anything
 * is built from it.
 */
#include <yaml.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/adapt/yaml.h"

struct reader {
	yaml_parser_t parser;
	yaml_event_t event; /* the current one */
	const char *name;
	const char *text;
	size_t len;
	size_t nodes;
};

static struct vm_yaml_node *compose(struct reader *reader, unsigned depth,
    struct vm_error *err);

/* Lines and columns count from 1 here, columns in characters. */
static int
refuse(const struct reader *reader, size_t line, size_t column,
    const char *what, struct vm_error *err)
{
	return vm_error_set(err, VM_E_DATA, "bad_yaml", "%s%s%zu:%zu: %s",
	    reader->name != NULL ? reader->name : "",
	    reader->name != NULL ? ":" : "", line, column, what);
}

static int
refuse_event(const struct reader *reader, const char *what,
    struct vm_error *err)
{
	return refuse(reader, reader->event.start_mark.line + 1,
	    reader->event.start_mark.column + 1, what, err);
}

/* The position of a byte that libyaml (or we) refused to read at all. */
static int
refuse_byte(const struct reader *reader, size_t offset, const char *what,
    struct vm_error *err)
{
	size_t line = 1, column = 1;

	for (size_t i = 0; i < offset && i < reader->len; i++) {
		unsigned char c = (unsigned char)reader->text[i];

		if (c == '\n') {
			line++;
			column = 1;
		} else if ((c & 0xc0) != 0x80) {
			column++;
		}
	}
	return refuse(reader, line, column, what, err);
}

static int
refuse_parser(const struct reader *reader, struct vm_error *err)
{
	const yaml_parser_t *p = &reader->parser;
	const char *what = p->problem != NULL ? p->problem : "not YAML";
	size_t at = p->problem_mark.index;

	if (p->error == YAML_MEMORY_ERROR)
		return vm_error_nomem(err);
	if (p->error == YAML_READER_ERROR)
		return refuse_byte(reader, p->problem_offset, what, err);
	if (p->error == YAML_SCANNER_ERROR && p->mark.index < reader->len &&
	    at < reader->len && reader->text[at] == '\t')
		what = "tabs cannot indent; use spaces";
	return refuse(reader, p->problem_mark.line + 1,
	    p->problem_mark.column + 1, what, err);
}

static int
next_event(struct reader *reader, struct vm_error *err)
{
	yaml_event_delete(&reader->event);
	if (!yaml_parser_parse(&reader->parser, &reader->event))
		return refuse_parser(reader, err);
	return 0;
}

/* What must not come with any node. */
static int
check_properties(const struct reader *reader, unsigned depth,
    struct vm_error *err)
{
	const yaml_event_t *event = &reader->event;
	const yaml_char_t *anchor = NULL, *tag = NULL;

	switch (event->type) {
	case YAML_ALIAS_EVENT:
		return refuse_event(reader, "aliases (*) are not accepted",
		    err);
	case YAML_SCALAR_EVENT:
		anchor = event->data.scalar.anchor;
		tag = event->data.scalar.tag;
		break;
	case YAML_SEQUENCE_START_EVENT:
		anchor = event->data.sequence_start.anchor;
		tag = event->data.sequence_start.tag;
		break;
	default:
		anchor = event->data.mapping_start.anchor;
		tag = event->data.mapping_start.tag;
		break;
	}
	if (anchor != NULL)
		return refuse_event(reader, "anchors (&) are not accepted",
		    err);
	if (tag != NULL)
		return refuse_event(reader, "tags (!) are not accepted", err);
	if (depth > VM_YAML_MAX_DEPTH)
		return refuse_event(reader, "nested too deeply", err);
	if (reader->nodes >= VM_YAML_MAX_NODES)
		return refuse_event(reader, "too many values", err);
	return 0;
}

static struct vm_yaml_node *
new_node(struct reader *reader, enum vm_yaml_type type, struct vm_error *err)
{
	struct vm_yaml_node *node = calloc(1, sizeof(*node));

	if (node == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	node->type = type;
	node->line = (unsigned)reader->event.start_mark.line + 1;
	node->column = (unsigned)reader->event.start_mark.column + 1;
	reader->nodes++;
	return node;
}

static struct vm_yaml_node *
compose_scalar(struct reader *reader, struct vm_error *err)
{
	const char *value = (const char *)reader->event.data.scalar.value;
	size_t len = reader->event.data.scalar.length;
	struct vm_yaml_node *node;

	if (memchr(value, '\0', len) != NULL) {
		refuse_event(reader, "NUL in text", err);
		return NULL;
	}
	node = new_node(reader, VM_YAML_SCALAR, err);
	if (node == NULL)
		return NULL;
	node->plain = reader->event.data.scalar.style ==
	    YAML_PLAIN_SCALAR_STYLE;
	node->text = strndup(value, len);
	if (node->text == NULL) {
		vm_error_nomem(err);
		vm_yaml_free(node);
		return NULL;
	}
	return node;
}

static int
check_key(const struct reader *reader, struct vm_error *err)
{
	const yaml_event_t *event = &reader->event;

	if (event->type != YAML_SCALAR_EVENT)
		return refuse_event(reader, "a key must be plain text", err);
	if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	    strcmp((const char *)event->data.scalar.value, "<<") == 0)
		return refuse_event(reader, "merge keys (<<) are not accepted",
		    err);
	return 0;
}

static int
compare_keys(const void *a, const void *b)
{
	const struct vm_yaml_node *x = *(const struct vm_yaml_node *const *)a;
	const struct vm_yaml_node *y = *(const struct vm_yaml_node *const *)b;
	int order = strcmp(x->text, y->text);

	if (order != 0)
		return order;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->column < y->column ? -1 : x->column > y->column;
}

/* By sorting, so that a mapping of 50,000 keys costs no quadratic time. */
static int
check_duplicates(const struct reader *reader, const struct vm_yaml_node *map,
    struct vm_error *err)
{
	VM_CLEAN_FREE const struct vm_yaml_node **keys = NULL;
	const struct vm_yaml_node *key, *found = NULL;
	VM_CLEAN_FREE char *what = NULL;
	size_t n = 0;

	if (map->count < 2)
		return 0;
	keys = calloc(map->count, sizeof(*keys));
	if (keys == NULL)
		return vm_error_nomem(err);
	for (key = map->first; key != NULL; key = key->next->next)
		keys[n++] = key;
	qsort(keys, n, sizeof(*keys), compare_keys);
	for (size_t i = 1; i < n; i++) {
		if (strcmp(keys[i - 1]->text, keys[i]->text) != 0)
			continue;
		if (found == NULL || keys[i]->line < found->line)
			found = keys[i];
	}
	if (found == NULL)
		return 0;
	what = vm_buf_printf(err, "key \"%.100s\" appears twice", found->text);
	if (what == NULL)
		return -1;
	return refuse(reader, found->line, found->column, what, err);
}

static int
compose_children(struct reader *reader, struct vm_yaml_node *node,
    unsigned depth, struct vm_error *err)
{
	bool is_map = node->type == VM_YAML_MAPPING;
	yaml_event_type_t end = is_map ? YAML_MAPPING_END_EVENT :
					 YAML_SEQUENCE_END_EVENT;
	struct vm_yaml_node **tail = &node->first;

	for (size_t n = 0;; n++) {
		if (next_event(reader, err) == -1)
			return -1;
		if (reader->event.type == end)
			return is_map ? check_duplicates(reader, node, err) : 0;
		if (is_map && n % 2 == 0 && check_key(reader, err) == -1)
			return -1;
		*tail = compose(reader, depth + 1, err);
		if (*tail == NULL)
			return -1;
		tail = &(*tail)->next;
		if (!is_map || n % 2 == 1)
			node->count++;
	}
}

/* The node that begins with the current event. */
static struct vm_yaml_node *
compose(struct reader *reader, unsigned depth, struct vm_error *err)
{
	VM_CLEAN_YAML struct vm_yaml_node *node = NULL;
	bool is_map = reader->event.type == YAML_MAPPING_START_EVENT;

	if (check_properties(reader, depth, err) == -1)
		return NULL;
	if (reader->event.type == YAML_SCALAR_EVENT)
		return compose_scalar(reader, err);
	node = new_node(reader, is_map ? VM_YAML_MAPPING : VM_YAML_SEQUENCE,
	    err);
	if (node == NULL || compose_children(reader, node, depth, err) == -1)
		return NULL;
	return VM_TAKE(node);
}

static struct vm_yaml_node *
compose_document(struct reader *reader, struct vm_error *err)
{
	VM_CLEAN_YAML struct vm_yaml_node *root = NULL;
	const yaml_event_t *event = &reader->event;

	if (next_event(reader, err) == -1 || next_event(reader, err) == -1)
		return NULL;
	if (event->type != YAML_DOCUMENT_START_EVENT) {
		refuse_event(reader, "empty", err);
		return NULL;
	}
	if (event->data.document_start.version_directive != NULL ||
	    event->data.document_start.tag_directives.start !=
		event->data.document_start.tag_directives.end) {
		refuse_event(reader, "directives (%) are not accepted", err);
		return NULL;
	}
	if (next_event(reader, err) == -1)
		return NULL;
	root = compose(reader, 1, err);
	if (root == NULL)
		return NULL;
	if (next_event(reader, err) == -1 || next_event(reader, err) == -1)
		return NULL;
	if (event->type != YAML_STREAM_END_EVENT) {
		refuse_event(reader, "a second document is not accepted", err);
		return NULL;
	}
	return VM_TAKE(root);
}

/* What libyaml would decode or take for the end of the text. */
static int
check_bytes(const struct reader *reader, struct vm_error *err)
{
	const unsigned char *b = (const unsigned char *)reader->text;
	const char *nul;

	if (reader->len >= 2 &&
	    ((b[0] == 0xff && b[1] == 0xfe) || (b[0] == 0xfe && b[1] == 0xff)))
		return refuse(reader, 1, 1, "UTF-16: save it as UTF-8", err);
	if (reader->len >= 3 && memcmp(b, "\xef\xbb\xbf", 3) == 0)
		return refuse(reader, 1, 1,
		    "a byte order mark: save it without", err);
	if (reader->len > VM_YAML_MAX_BYTES)
		return refuse(reader, 1, 1, "larger than 4 MiB", err);
	nul = memchr(reader->text, '\0', reader->len);
	if (nul != NULL)
		return refuse_byte(reader, (size_t)(nul - reader->text),
		    "NUL byte: not a text file", err);
	return 0;
}

struct vm_yaml_node *
vm_yaml_parse(const char *name, const char *text, size_t len,
    struct vm_error *err)
{
	struct reader reader = { .name = name, .text = text, .len = len };
	struct vm_yaml_node *root;

	if (len == 0)
		reader.text = "";
	if (check_bytes(&reader, err) == -1)
		return NULL;
	if (!yaml_parser_initialize(&reader.parser)) {
		vm_error_nomem(err);
		return NULL;
	}
	yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&reader.parser,
	    (const unsigned char *)reader.text, len);
	root = compose_document(&reader, err);
	yaml_event_delete(&reader.event);
	yaml_parser_delete(&reader.parser);
	return root;
}

const struct vm_yaml_node *
vm_yaml_key(const struct vm_yaml_node *mapping, const char *key)
{
	const struct vm_yaml_node *node;

	if (mapping == NULL || mapping->type != VM_YAML_MAPPING)
		return NULL;
	for (node = mapping->first; node != NULL; node = node->next->next) {
		if (strcmp(node->text, key) == 0)
			return node;
	}
	return NULL;
}

const struct vm_yaml_node *
vm_yaml_value(const struct vm_yaml_node *mapping, const char *key)
{
	const struct vm_yaml_node *node = vm_yaml_key(mapping, key);

	return node != NULL ? node->next : NULL;
}

/* A mapping being built may end in a key without its value. */
void
vm_yaml_free(struct vm_yaml_node *node)
{
	struct vm_yaml_node *child, *next;

	if (node == NULL)
		return;
	for (child = node->first; child != NULL; child = next) {
		next = child->next;
		vm_yaml_free(child);
	}
	free(node->text);
	free(node);
}

void
vm_yaml_clean(struct vm_yaml_node **node)
{
	vm_yaml_free(*node);
}
