#include "lib/adapt/xml.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "test/unit.h"

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"

static struct vm_xml *
parse(const char *text)
{
	struct vm_error err = { 0 };
	struct vm_xml *xml = vm_xml_parse(text, strlen(text), &err);

	if (xml == NULL)
		fail_msg("%s: %s", err.code, err.message);
	return xml;
}

static void
check_refused(const char *text, size_t len, const char *code)
{
	struct vm_error err = { 0 };
	struct vm_xml *xml VM_CLEAN_XML = vm_xml_parse(text, len, &err);

	if (xml != NULL || err.kind != VM_E_DATA || strcmp(err.code, code) != 0)
		fail_msg("%.60s: not %s but %s: %s", text, code, err.code,
		    err.message);
}

static void
test_names_are_namespaces_not_prefixes(void **state)
{
	struct vm_xml *xml VM_CLEAN_XML = parse(HEAD
	    "<a xmlns='urn:1' xmlns:p='urn:2'>"
	    "text<b/><p:b p:x='1' x='2'/><q:b xmlns:q='urn:2'>two</q:b></a>");
	const struct vm_xml_node *root = vm_xml_root(xml), *node;

	(void)state;
	assert_true(vm_xml_is(root, "urn:1", "a"));
	assert_false(vm_xml_is(root, "urn:2", "a"));
	assert_string_equal(vm_xml_text(root), "");
	node = vm_xml_first(root, "urn:2", "b");
	assert_non_null(node);
	assert_string_equal(vm_xml_attribute(node, "urn:2", "x"), "1");
	assert_string_equal(vm_xml_attribute(node, NULL, "x"), "2");
	assert_null(vm_xml_attribute(node, "urn:1", "x"));
	node = vm_xml_next(node, "urn:2", "b");
	assert_non_null(node);
	assert_string_equal(vm_xml_text(node), "two");
	assert_null(vm_xml_next(node, NULL, NULL));
	assert_null(vm_xml_first(root, "urn:2", "c"));
}

static void
test_text_is_data(void **state)
{
	struct vm_xml *xml VM_CLEAN_XML = parse(HEAD
	    "<a>\n<b x='%n&amp;&lt;&#37;s'>%s&gt;<![CDATA[<c>]]></b></a>");
	const struct vm_xml_node *node = vm_xml_first(vm_xml_root(xml), NULL,
	    "b");

	(void)state;
	assert_string_equal(vm_xml_attribute(node, NULL, "x"), "%n&<%s");
	assert_string_equal(vm_xml_text(node), "%s><c>");
	assert_int_equal(vm_xml_line(node), 2);
}

static void
test_refuses_what_is_no_xml(void **state)
{
	static const char *const bad[] = { "", "x", "<a>", "<a></b>",
		"<a b='1' b='2'/>", "<a>&nbsp;</a>", "<a>\x01</a>", "<a/><b/>",
		"<p:a/>", "<a>\xff\xfe</a>" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check_refused(bad[i], strlen(bad[i]), "bad_xml");
	check_refused("<a>\0</a>", 8, "bad_xml");
}

static void
test_refuses_every_doctype(void **state)
{
	static const char *const bad[] = {
		"<!DOCTYPE a><a/>",
		"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
		"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"
		"<a>&x;</a>",
		"<!DOCTYPE a [<!ENTITY % x SYSTEM 'http://127.0.0.1:9/x'>%x;]>"
		"<a/>",
		"<!DOCTYPE a [<!ENTITY b 'ha'><!ENTITY c '&b;&b;&b;&b;'>"
		"<!ENTITY d '&c;&c;&c;&c;'>]><a>&d;</a>",
	};
	static const char wide[] = "\xff\xfe<\0!\0D\0O\0C\0T\0Y\0P\0E\0 \0a\0>"
				   "\0<\0a\0/\0>\0";

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check_refused(bad[i], strlen(bad[i]), "doctype");
	check_refused(wide, sizeof(wide) - 1, "doctype");
}

static void
repeat(struct vm_buf *buf, const char *text, size_t count)
{
	while (count-- > 0)
		assert_int_equal(vm_buf_add_string(buf, text, NULL), 0);
}

static void
test_refuses_too_much_of_anything(void **state)
{
	struct vm_buf buf VM_CLEAN_BUF = { 0 };

	(void)state;
	repeat(&buf, "<a>", VM_XML_MAX_DEPTH + 1);
	repeat(&buf, "</a>", VM_XML_MAX_DEPTH + 1);
	check_refused(buf.data, buf.len, "too_large");
	vm_buf_reset(&buf);
	repeat(&buf, "<a>", 1);
	repeat(&buf, "<a/>", VM_XML_MAX_NODES);
	repeat(&buf, "</a>", 1);
	check_refused(buf.data, buf.len, "too_large");
	vm_buf_reset(&buf);
	repeat(&buf, "<a>", 1);
	repeat(&buf, "12345678", (VM_XML_MAX_BYTES >> 3) + 1);
	repeat(&buf, "</a>", 1);
	check_refused(buf.data, buf.len, "too_large");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_are_namespaces_not_prefixes),
		cmocka_unit_test(test_text_is_data),
		cmocka_unit_test(test_refuses_what_is_no_xml),
		cmocka_unit_test(test_refuses_every_doctype),
		cmocka_unit_test(test_refuses_too_much_of_anything),
	};

	return cmocka_run_group_tests_name("xml", tests, NULL, NULL);
}
