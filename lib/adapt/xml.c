#include "lib/adapt/xml.h"

#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <libxml/tree.h>
#include <string.h>

/* No network, no entity that is replaced, no limit that is lifted. */
#define OPTIONS                                                                \
	(XML_PARSE_NONET | XML_PARSE_NOCDATA | XML_PARSE_NOERROR |             \
	    XML_PARSE_NOWARNING)

struct vm_xml {
	xmlDoc *doc;
};

/* What the parser's callbacks keep of it. */
struct parsing {
	size_t nodes;
	unsigned depth;
	bool doctype, too_large;
};

static const xmlNode *
from(const struct vm_xml_node *node)
{
	return (const void *)node;
}

static const struct vm_xml_node *
to(const xmlNode *node)
{
	return (const void *)node;
}

/* --- parsing ------------------------------------------------------------- */

/* Called before anything of the declaration has been obeyed. */
static void
on_doctype(void *context, const xmlChar *name, const xmlChar *id,
    const xmlChar *system_id)
{
	xmlParserCtxt *parser = context;
	struct parsing *parsing = parser->_private;

	(void)name;
	(void)id;
	(void)system_id;
	parsing->doctype = true;
	xmlStopParser(parser);
}

static void
on_start(void *context, const xmlChar *name, const xmlChar *prefix,
    const xmlChar *uri, int ns_count, const xmlChar **ns, int count,
    int defaulted, const xmlChar **attributes)
{
	xmlParserCtxt *parser = context;
	struct parsing *parsing = parser->_private;

	parsing->nodes += 1 + (size_t)count + (size_t)ns_count;
	parsing->depth++;
	if (parsing->nodes > VM_XML_MAX_NODES ||
	    parsing->depth > VM_XML_MAX_DEPTH) {
		parsing->too_large = true;
		xmlStopParser(parser);
		return;
	}
	xmlSAX2StartElementNs(context, name, prefix, uri, ns_count, ns, count,
	    defaulted, attributes);
}

static void
on_end(void *context, const xmlChar *name, const xmlChar *prefix,
    const xmlChar *uri)
{
	xmlParserCtxt *parser = context;
	struct parsing *parsing = parser->_private;

	parsing->depth--;
	xmlSAX2EndElementNs(context, name, prefix, uri);
}

static int
explain(xmlParserCtxt *parser, const struct parsing *parsing,
    struct vm_error *err)
{
	const xmlError *why = xmlCtxtGetLastError(parser);
	const char *message = why == NULL || why->message == NULL ?
	    "not XML" :
	    why->message;

	if (parsing->doctype)
		return vm_error_set(err, VM_E_DATA, "doctype",
		    "a document type declaration is not accepted");
	if (parsing->too_large)
		return vm_error_set(err, VM_E_DATA, "too_large",
		    "more than %d elements and attributes, or more than %d in "
		    "one another",
		    VM_XML_MAX_NODES, VM_XML_MAX_DEPTH);
	if (why != NULL && why->code == XML_ERR_NO_MEMORY)
		return vm_error_nomem(err);
	return vm_error_set(err, VM_E_DATA, "bad_xml", "line %d: %.*s",
	    why == NULL ? 0 : why->line, (int)strcspn(message, "\n"), message);
}

static xmlDoc *
parse(const void *text, size_t len, struct vm_error *err)
{
	xmlParserCtxt *parser = xmlNewParserCtxt();
	struct parsing parsing = { 0 };
	xmlDoc *doc;

	if (parser == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	parser->_private = &parsing;
	parser->sax->internalSubset = on_doctype;
	parser->sax->startElementNs = on_start;
	parser->sax->endElementNs = on_end;
	doc = xmlCtxtReadMemory(parser, text, (int)len, NULL, NULL, OPTIONS);
	if (doc == NULL || !parser->nsWellFormed || parsing.doctype ||
	    parsing.too_large || xmlDocGetRootElement(doc) == NULL) {
		explain(parser, &parsing, err);
		xmlFreeDoc(doc);
		doc = NULL;
	}
	xmlFreeParserCtxt(parser);
	return doc;
}

struct vm_xml *
vm_xml_parse(const void *text, size_t len, struct vm_error *err)
{
	struct vm_xml *xml;

	if (len > VM_XML_MAX_BYTES) {
		vm_error_set(err, VM_E_DATA, "too_large",
		    "%zu bytes of XML are more than %zu", len,
		    VM_XML_MAX_BYTES);
		return NULL;
	}
	xml = calloc(1, sizeof(*xml));
	if (xml == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	xml->doc = parse(text, len, err);
	if (xml->doc == NULL)
		vm_xml_clean(&xml);
	return xml;
}

/* --- reading ------------------------------------------------------------- */

/* Is this name, in this namespace, what is looked for? */
static bool
matches(const xmlNs *has, const xmlChar *is, const char *ns, const char *name)
{
	if (name != NULL && strcmp((const char *)is, name) != 0)
		return false;
	return ns == NULL ||
	    (has != NULL && strcmp((const char *)has->href, ns) == 0);
}

static const struct vm_xml_node *
find(const xmlNode *node, const char *ns, const char *name)
{
	for (; node != NULL; node = node->next)
		if (node->type == XML_ELEMENT_NODE &&
		    matches(node->ns, node->name, ns, name))
			return to(node);
	return NULL;
}

const struct vm_xml_node *
vm_xml_root(const struct vm_xml *xml)
{
	return to(xmlDocGetRootElement(xml->doc));
}

const struct vm_xml_node *
vm_xml_first(const struct vm_xml_node *node, const char *ns, const char *name)
{
	return find(from(node)->children, ns, name);
}

const struct vm_xml_node *
vm_xml_next(const struct vm_xml_node *node, const char *ns, const char *name)
{
	return find(from(node)->next, ns, name);
}

bool
vm_xml_is(const struct vm_xml_node *node, const char *ns, const char *name)
{
	return matches(from(node)->ns, from(node)->name, ns, name);
}

unsigned
vm_xml_line(const struct vm_xml_node *node)
{
	return (unsigned)xmlGetLineNo(from(node));
}

/* The text of a list of children that is one text, or nothing. */
static const char *
only_text(const xmlNode *child)
{
	if (child == NULL || child->next != NULL ||
	    child->type != XML_TEXT_NODE || child->content == NULL)
		return "";
	return (const char *)child->content;
}

const char *
vm_xml_attribute(const struct vm_xml_node *node, const char *ns,
    const char *name)
{
	const xmlAttr *attribute;

	for (attribute = from(node)->properties; attribute != NULL;
	     attribute = attribute->next)
		if ((attribute->ns == NULL) == (ns == NULL) &&
		    matches(attribute->ns, attribute->name, ns, name))
			return only_text(attribute->children);
	return NULL;
}

const char *
vm_xml_text(const struct vm_xml_node *node)
{
	return only_text(from(node)->children);
}

void
vm_xml_clean(struct vm_xml **xml)
{
	if (*xml == NULL)
		return;
	xmlFreeDoc((*xml)->doc);
	free(VM_TAKE(*xml));
}
