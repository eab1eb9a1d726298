#include "lib/adapt/yaml.h"

#include <sys/resource.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit.h"

struct refusal {
	const char *text;
	size_t len;
	const char *message;
};

#define TEXT(s) s, sizeof(s) - 1

static void
test_tree(void **state)
{
	static const char text[] = "a: 1\nb:\n  - x\n  - 'y z'\nc: {d: no}\n";
	struct vm_error err = { 0 };
	VM_CLEAN_YAML struct vm_yaml_node *root = NULL;
	const struct vm_yaml_node *node;

	(void)state;
	root = vm_yaml_parse("f", TEXT(text), &err);
	assert_non_null(root);
	assert_int_equal(VM_YAML_MAPPING, root->type);
	assert_int_equal(3, root->count);
	node = vm_yaml_value(root, "b");
	assert_int_equal(VM_YAML_SEQUENCE, node->type);
	assert_int_equal(2, node->count);
	assert_int_equal(3, node->first->line);
	assert_int_equal(5, node->first->column);
	assert_true(node->first->plain);
	assert_string_equal("y z", node->first->next->text);
	assert_false(node->first->next->plain);
	node = vm_yaml_value(vm_yaml_value(root, "c"), "d");
	assert_string_equal("no", node->text);
	assert_int_equal(5, vm_yaml_key(root, "c")->line);
	assert_null(vm_yaml_value(root, "z"));
}

/* CASES U04: everything beyond plain configuration, with its position. */
static void
test_refused(void **state)
{
	static const struct refusal cases[] = {
		{ TEXT(""), "f:1:1: empty" },
		{ TEXT("# only a comment\n"), "f:2:1: empty" },
		{ TEXT("a: &x 1\n"), "f:1:4: anchors (&) are not accepted" },
		{ TEXT("a: *x\n"), "f:1:4: aliases (*) are not accepted" },
		{ TEXT("a: !!str 1\n"), "f:1:4: tags (!) are not accepted" },
		{ TEXT("a: ! 1\n"), "f:1:4: tags (!) are not accepted" },
		{ TEXT("!x {}\n"), "f:1:1: tags (!) are not accepted" },
		{ TEXT("a:\n  <<: {b: 1}\n"),
		    "f:2:3: merge keys (<<) are not accepted" },
		{ TEXT("a: 1\nb: 2\na: 3\n"),
		    "f:3:1: key \"a\" appears twice" },
		{ TEXT("a: 1\n\"a\": 3\n"), "f:2:1: key \"a\" appears twice" },
		{ TEXT("? [a]\n: 1\n"), "f:1:3: a key must be plain text" },
		{ TEXT("a: 1\n---\nb: 2\n"),
		    "f:2:1: a second document is not accepted" },
		{ TEXT("%YAML 1.1\n---\na: 1\n"),
		    "f:1:1: directives (%) are not accepted" },
		{ TEXT("%TAG ! tag:x,1:\n---\na: 1\n"),
		    "f:1:1: directives (%) are not accepted" },
		{ TEXT("\xef\xbb\xbf"
		       "a: 1\n"),
		    "f:1:1: a byte order mark: save it without" },
		{ TEXT("\xff\xfe"
		       "a\0:\0"),
		    "f:1:1: UTF-16: save it as UTF-8" },
		{ TEXT("\xfe\xff\0a\0:"), "f:1:1: UTF-16: save it as UTF-8" },
		{ TEXT("a: 1\nb: x\0y\n"), "f:2:5: NUL byte: not a text file" },
		{ TEXT("a: \"x\\0y\"\n"), "f:1:4: NUL in text" },
		{ TEXT("a:\n\tb: 1\n"),
		    "f:2:1: tabs cannot indent; use spaces" },
		{ TEXT("a: \"\xff\"\n"), "f:1:5: invalid leading UTF-8 octet" },
		{ TEXT("a: x\x1by\n"),
		    "f:1:5: control characters are not allowed" },
		{ TEXT("a: [1\nb: 2\n"),
		    "f:2:2: did not find expected ',' or ']'" },
		{ TEXT("a: 'x\n"), "f:2:1: found unexpected end of stream" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vm_error err = { 0 };
		struct vm_yaml_node *root;

		root = vm_yaml_parse("f", cases[i].text, cases[i].len, &err);
		assert_null(root);
		assert_string_equal(cases[i].message, err.message);
		assert_int_equal(VM_E_DATA, err.kind);
		assert_string_equal("bad_yaml", err.code);
	}
}

/* `count` times `part`, as one text of *len bytes. */
static char *
repeat(const char *part, size_t count, size_t *len)
{
	size_t one = strlen(part);
	char *text = malloc(one * count + 1);

	assert_non_null(text);
	for (size_t i = 0; i < count; i++)
		memcpy(text + i * one, part, one);
	*len = one * count;
	text[*len] = '\0';
	return text;
}

static void
expect_bomb(const char *part, size_t count, const char *what)
{
	VM_CLEAN_FREE char *text = NULL;
	struct vm_error err = { 0 };
	size_t len = 0;

	text = repeat(part, count, &len);
	assert_null(vm_yaml_parse("f", text, len, &err));
	assert_non_null(strstr(err.message, what));
}

/* The caps hold before memory or time is spent. */
static void
test_bombs(void **state)
{
	struct rusage before, after;

	(void)state;
	getrusage(RUSAGE_SELF, &before);
	expect_bomb("[", 100000, "f:1:33: nested too deeply");
	expect_bomb("{a: ", 100000, "nested too deeply");
	expect_bomb("- ", 100000, "nested too deeply");
	expect_bomb("- a\n", 1000000, "f:100000:3: too many values");
	expect_bomb("a: &a [b, b, b]\n", 100000, "anchors");
	expect_bomb("x", (size_t)5 << 20, "f:1:1: larger than 4 MiB");
	getrusage(RUSAGE_SELF, &after);
	assert_true(after.ru_maxrss - before.ru_maxrss < 64 * 1024);
	assert_true(after.ru_utime.tv_sec - before.ru_utime.tv_sec < 5);
}

/* 40,000 keys with one pair of equals: found, and not in quadratic time. */
static void
test_many_keys(void **state)
{
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	struct vm_error err = { 0 };

	(void)state;
	for (int i = 0; i < 40000; i++)
		assert_int_equal(0, vm_buf_format(&text, &err, "k%d: 1\n", i));
	assert_int_equal(0, vm_buf_add_string(&text, "k7: 2\n", &err));
	assert_null(vm_yaml_parse("f", text.data, text.len, &err));
	assert_string_equal("f:40001:1: key \"k7\" appears twice", err.message);
}

static void
test_from_json(void **state)
{
	static const char text[] = "{\"a\":[1,true,null,\"x\"],\"b\":{}}";
	struct vm_error err = { 0 };
	VM_CLEAN_JSON struct vm_json *json = vm_json_parse(TEXT(text), &err);
	VM_CLEAN_YAML struct vm_yaml_node *root = NULL;
	const struct vm_yaml_node *node;

	(void)state;
	root = vm_yaml_from_json(json, &err);
	assert_non_null(root);
	assert_int_equal(0, root->line);
	node = vm_yaml_value(root, "a")->first;
	assert_string_equal("1", node->text);
	node = node->next;
	assert_string_equal("true", node->text);
	node = node->next;
	assert_true(node->plain);
	assert_string_equal("", node->text);
	assert_string_equal("x", node->next->text);
	assert_false(node->next->plain);
	assert_int_equal(0, vm_yaml_value(root, "b")->count);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_bombs),
		cmocka_unit_test(test_many_keys),
		cmocka_unit_test(test_from_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
