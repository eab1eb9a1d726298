/*
 * xml.h - XML text to a small tree that is only read (libxml2).
 *
 * What strangers have written: nothing is loaded from anywhere, a document
 * type declaration of any kind is refused (so there are no entities but the
 * five that XML has itself), nesting, the number of nodes and the size are
 * capped.  Elements and attributes are known by namespace URI and local name;
 * which prefix the text has for them does not matter.
 */
#ifndef VM_ADAPT_XML_H
#define VM_ADAPT_XML_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/clean.h"
#include "lib/base/error.h"

#define VM_XML_MAX_BYTES ((size_t)1 << 20)
#define VM_XML_MAX_NODES 50000
#define VM_XML_MAX_DEPTH 64

struct vm_xml;	    /* a document */
struct vm_xml_node; /* an element of it, borrowed */

/*
 * Parse text.  VM_E_DATA "bad_xml" ("line N: what"), "doctype", "too_large".
 * The document is the caller's.
 */
struct vm_xml *vm_xml_parse(const void *text, size_t len, struct vm_error *err)
    VM_MUST_CHECK;

const struct vm_xml_node *vm_xml_root(const struct vm_xml *xml);

/*
 * The first child element of this name, and the next one after node; NULL when
 * there is none.  ns or name NULL: any.
 */
const struct vm_xml_node *vm_xml_first(const struct vm_xml_node *node,
    const char *ns, const char *name);
const struct vm_xml_node *vm_xml_next(const struct vm_xml_node *node,
    const char *ns, const char *name);

bool vm_xml_is(const struct vm_xml_node *node, const char *ns,
    const char *name);

unsigned vm_xml_line(const struct vm_xml_node *node);

/* Borrow the attribute's text, or NULL; ns NULL: one without a prefix. */
const char *vm_xml_attribute(const struct vm_xml_node *node, const char *ns,
    const char *name);

/* Borrow the element's text; "" unless it is all there is in it. */
const char *vm_xml_text(const struct vm_xml_node *node);

void vm_xml_clean(struct vm_xml **xml); /* NULL in it is fine */
#define VM_CLEAN_XML VM_CLEAN(vm_xml_clean)

#endif
