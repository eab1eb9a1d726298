#include "lib/adapt/inflate.h"

#include <stdint.h>
#include <string.h>

#include "test/unit.h"

#define OUT 100 /* bytes asked for */

/* A deflate stream of one stored block; its length. */
static size_t
store_deflate(unsigned char *to, const void *data, size_t len)
{
	const unsigned char head[5] = { 1, (unsigned char)len, 0,
		(unsigned char)~len, 0xff };

	memcpy(to, head, sizeof(head));
	memcpy(to + sizeof(head), data, len);
	return sizeof(head) + len;
}

/* A zstd frame of one raw block; its length. */
static size_t
store_zstd(unsigned char *to, const void *data, size_t len)
{
	const unsigned char head[9] = { 0x28, 0xb5, 0x2f, 0xfd, 0x20,
		(unsigned char)len, (unsigned char)(len << 3 | 1),
		(unsigned char)(len >> 5), 0 };

	memcpy(to, head, sizeof(head));
	memcpy(to + sizeof(head), data, len);
	return sizeof(head) + len;
}

static size_t
store(enum vm_inflate_type type, unsigned char *to, const void *data,
    size_t len)
{
	return type == VM_INFLATE_ZSTD ? store_zstd(to, data, len) :
					 store_deflate(to, data, len);
}

static const enum vm_inflate_type types[] = { VM_INFLATE_DEFLATE,
	VM_INFLATE_ZSTD };

/* Run body with a new unpacker of each type. */
static void
each_type(void (*body)(struct vm_inflate *, enum vm_inflate_type))
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct vm_error err = { 0 };
		struct vm_inflate *inflate VM_CLEAN_INFLATE =
		    vm_inflate_new(types[i], &err);

		assert_non_null(inflate);
		body(inflate, types[i]);
	}
}

static void
fill(unsigned char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (unsigned char)(i * 7);
}

static void
unpack_padded(struct vm_inflate *inflate, enum vm_inflate_type type)
{
	unsigned char data[OUT], packed[512], out[OUT + 1];
	struct vm_error err = { 0 };

	fill(data, sizeof(data));
	memset(packed, 0xaa, sizeof(packed));
	(void)store(type, packed, data, sizeof(data));
	for (int again = 0; again < 2; again++) {
		memset(out, 'x', sizeof(out));
		assert_int_equal(vm_inflate_block(inflate, packed,
				     sizeof(packed), out, OUT, &err),
		    0);
		assert_memory_equal(out, data, OUT);
		assert_int_equal(out[OUT], 'x');
	}
}

static void
test_unpacks_what_is_followed_by_other_bytes(void **state)
{
	(void)state;
	each_type(unpack_padded);
}

static void
refuse(struct vm_inflate *inflate, const void *packed, size_t len)
{
	unsigned char out[OUT + 16];
	struct vm_error err = { 0 };

	memset(out, 'x', sizeof(out));
	assert_int_equal(vm_inflate_block(inflate, packed, len, out, OUT, &err),
	    -1);
	assert_int_equal(err.kind, VM_E_DATA);
	assert_string_equal(err.code, "bad_compression");
	for (size_t i = OUT; i < sizeof(out); i++)
		assert_int_equal(out[i], 'x');
}

static void
refuse_wrong_lengths(struct vm_inflate *inflate, enum vm_inflate_type type)
{
	unsigned char data[OUT + 1], packed[512];
	size_t len;

	fill(data, sizeof(data));
	len = store(type, packed, data, OUT + 1);
	refuse(inflate, packed, len);
	len = store(type, packed, data, OUT - 1);
	refuse(inflate, packed, len);
	len = store(type, packed, data, OUT);
	for (size_t cut = 1; cut <= len; cut++)
		refuse(inflate, packed, len - cut);
}

static void
test_refuses_too_much_too_little_and_what_is_cut_off(void **state)
{
	(void)state;
	each_type(refuse_wrong_lengths);
}

static void
refuse_garbage(struct vm_inflate *inflate, enum vm_inflate_type type)
{
	unsigned char data[OUT], packed[512];

	memset(packed, 0xff, sizeof(packed));
	refuse(inflate, packed, sizeof(packed));
	memset(packed, 0, sizeof(packed));
	refuse(inflate, packed, sizeof(packed));
	fill(data, sizeof(data));
	(void)store(type, packed, data, sizeof(data));
	packed[3] ^= 0x10; /* length, or magic */
	refuse(inflate, packed, sizeof(packed));
	unpack_padded(inflate, type); /* and is as new afterwards */
}

static void
test_refuses_garbage(void **state)
{
	(void)state;
	each_type(refuse_garbage);
}

static void
test_unpacks_several_zstd_frames(void **state)
{
	struct vm_error err = { 0 };
	struct vm_inflate *inflate VM_CLEAN_INFLATE =
	    vm_inflate_new(VM_INFLATE_ZSTD, &err);
	unsigned char data[OUT], packed[512] = { 0 }, out[OUT];
	size_t len;

	(void)state;
	fill(data, sizeof(data));
	len = store_zstd(packed, data, 60);
	len += store_zstd(packed + len, data + 60, 39);
	assert_int_equal(vm_inflate_block(inflate, packed, len, out, OUT, &err),
	    -1);
	(void)store_zstd(packed + len, data + 99, 1);
	assert_int_equal(vm_inflate_block(inflate, packed, sizeof(packed), out,
			     OUT, &err),
	    0);
	assert_memory_equal(out, data, OUT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unpacks_what_is_followed_by_other_bytes),
		cmocka_unit_test(
		    test_refuses_too_much_too_little_and_what_is_cut_off),
		cmocka_unit_test(test_refuses_garbage),
		cmocka_unit_test(test_unpacks_several_zstd_frames),
	};

	return cmocka_run_group_tests_name("inflate", tests, NULL, NULL);
}
