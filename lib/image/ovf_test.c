#include "lib/image/ovf.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/fd.h"
#include "lib/image/ovf_amount.h"
#include "lib/image/ovf_href.h"
#include "test/unit.h"

#define CIM "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_"

/* An envelope of version 2, with other prefixes than usual. */
#define BEGIN                                                                  \
	"<o:Envelope xmlns:o='http://schemas.dmtf.org/ovf/envelope/2'"         \
	" xmlns:r='" CIM "ResourceAllocationSettingData'"                      \
	" xmlns:e='" CIM "EthernetPortAllocationSettingData.xsd'>"
#define FILES(more)                                                            \
	"<o:References><o:File o:id='f' o:href='a.img'/>" more "</o:References>"
#define DISKS(more)                                                            \
	"<o:DiskSection><o:Disk o:diskId='d' o:fileRef='f'/>" more             \
	"</o:DiskSection>"
#define MACHINE(items)                                                         \
	"<o:VirtualSystem o:id='v'><o:VirtualHardwareSection>" items           \
	"</o:VirtualHardwareSection></o:VirtualSystem>"
#define END "</o:Envelope>"

static int
parse(const char *text, struct vm_ovf *ovf, struct vm_error *err)
{
	vm_error_clear(err);
	return vm_ovf_parse(text, strlen(text), ovf, err);
}

static void
load(const char *path, struct vm_ovf *ovf)
{
	struct vm_buf buf VM_CLEAN_BUF = { 0 };
	struct vm_error err = { 0 };

	if (vm_fd_read_file(AT_FDCWD, path, VM_OVF_MAX_BYTES, &buf, &err) ==
		-1 ||
	    vm_ovf_parse(buf.data, buf.len, ovf, &err) == -1)
		fail_msg("%s: %s", path, err.message);
}

static void
test_as_virtualbox_writes_it(void **state)
{
	struct vm_ovf ovf VM_CLEAN_OVF = { 0 };

	(void)state;
	load("test/lib/ovf/virtualbox.ovf", &ovf);
	assert_int_equal(ovf.cpus, 2);
	assert_int_equal(ovf.memory, (uint64_t)1 << 30);
	assert_int_equal(ovf.disk_count, 2);
	assert_string_equal(ovf.disks[0].href, "box-disk001.vmdk");
	assert_int_equal(ovf.disks[0].capacity, 1 << 20);
	assert_false(ovf.disks[0].is_gzip);
	assert_string_equal(ovf.disks[1].href, "box-disk002.vmdk");
	assert_int_equal(ovf.disks[1].capacity, 2 << 20);
	assert_int_equal(ovf.blank_count, 0);
	assert_int_equal(ovf.nic_count, 2);
	assert_string_equal(ovf.networks[0], "NAT");
	assert_string_equal(ovf.networks[1], "Back End");
}

static void
test_as_vmware_writes_it(void **state)
{
	struct vm_ovf ovf VM_CLEAN_OVF = { 0 };

	(void)state;
	load("test/lib/ovf/vmware.ovf", &ovf);
	assert_int_equal(ovf.cpus, 4); /* of the default configuration */
	assert_int_equal(ovf.memory, (uint64_t)4 << 30); /* not the bound */
	assert_int_equal(ovf.disk_count, 1);
	assert_string_equal(ovf.disks[0].href, "appliance-1.vmdk");
	assert_int_equal(ovf.disks[0].capacity, (uint64_t)20 << 30);
	assert_int_equal(ovf.blank_count, 1);
	assert_int_equal(ovf.nic_count, 1);
	assert_string_equal(ovf.networks[0], "VM Network");
}

static void
test_version_2_and_other_prefixes(void **state)
{
	struct vm_ovf ovf VM_CLEAN_OVF = { 0 };
	struct vm_error err = { 0 };

	(void)state;
	if (parse(BEGIN FILES("<o:File id='g' href='b%20c%25n.img'"
			      " compression='gzip'/>")
		      DISKS("<o:Disk fileRef='g' capacity='7'/>")
			  MACHINE("<o:Item><r:ResourceType>3</r:ResourceType>"
				  "<r:VirtualQuantity>3</r:VirtualQuantity>"
				  "</o:Item><o:EthernetPortItem>"
				  "<e:ResourceType>10</e:ResourceType>"
				  "<e:Connection>%n%s</e:Connection>"
				  "</o:EthernetPortItem>") END,
		&ovf, &err) == -1)
		fail_msg("%s", err.message);
	assert_int_equal(ovf.cpus, 3);
	assert_int_equal(ovf.memory, 0);
	assert_int_equal(ovf.disk_count, 2);
	assert_string_equal(ovf.disks[1].href, "b c%n.img");
	assert_true(ovf.disks[1].is_gzip);
	assert_int_equal(ovf.disks[1].capacity, 7);
	assert_string_equal(ovf.networks[0], "%n%s");
}

static void
check_refused(const char *text, const char *code)
{
	struct vm_ovf ovf VM_CLEAN_OVF = { 0 };
	struct vm_error err = { 0 };

	if (parse(text, &ovf, &err) != -1 || err.kind != VM_E_DATA ||
	    strcmp(err.code, code) != 0)
		fail_msg("%s: not %s but %s: %s", text, code, err.code,
		    err.message);
}

static void
test_refuses_what_makes_no_sense(void **state)
{
	(void)state;
	check_refused("<a/>", "bad_ovf");
	check_refused("<Envelope/>", "bad_ovf");
	check_refused(BEGIN FILES("") MACHINE("") END, "bad_ovf");
	check_refused(BEGIN DISKS("") MACHINE("") END, "bad_ovf");
	check_refused(BEGIN FILES("") DISKS("") END, "bad_ovf");
	check_refused(BEGIN FILES("") DISKS("") MACHINE("") MACHINE("") END,
	    "bad_ovf");
	check_refused(BEGIN FILES("")
			  DISKS("") "<o:VirtualSystemCollection>" MACHINE(
			      "") "<o:VirtualSystemCollection/>"
				  "</o:VirtualSystemCollection>" END,
	    "bad_ovf");
	check_refused(BEGIN FILES("") DISKS("<o:Disk fileRef='f'/>") MACHINE("")
			  END,
	    "bad_ovf");
	check_refused(BEGIN FILES("<o:File id='g' href='./a.img'/>")
			  DISKS("<o:Disk fileRef='g'/>") MACHINE("") END,
	    "bad_ovf");
	check_refused(BEGIN FILES("<o:File id='g' href='g' chunkSize='5'/>")
			  DISKS("<o:Disk fileRef='g'/>") MACHINE("") END,
	    "not_supported");
	check_refused(BEGIN FILES("<o:File id='g' href='g'"
				  " compression='bzip2'/>")
			  DISKS("<o:Disk fileRef='g'/>") MACHINE("") END,
	    "not_supported");
	check_refused(BEGIN FILES("<o:File id='g' href='g'/>")
			  DISKS("<o:Disk fileRef='g' parentRef='d'/>")
			      MACHINE("") END,
	    "not_supported");
	check_refused(BEGIN FILES("<o:File id='g' href='g'/>")
			  DISKS("<o:Disk fileRef='g' capacity='${size}'/>")
			      MACHINE("") END,
	    "bad_ovf");
	check_refused(BEGIN FILES("") DISKS("") MACHINE(
			  "<o:Item><r:ResourceType>3</r:ResourceType>"
			  "<r:VirtualQuantity>0</r:VirtualQuantity></o:Item>")
			  END,
	    "bad_ovf");
	check_refused(BEGIN FILES("") DISKS("") MACHINE(
			  "<o:Item><r:ResourceType>4</r:ResourceType>"
			  "<r:VirtualQuantity>9e9</r:VirtualQuantity></o:Item>")
			  END,
	    "bad_ovf");
	check_refused("<!DOCTYPE a>" BEGIN END, "doctype");
}

static void
test_files_are_beside_it(void **state)
{
	static const char *const bad[] = { "", "/etc/passwd", "../x", "a/../x",
		"a/..", "..", "%2e%2e/x", "%2Fetc/passwd", "a%2F..", "a%00b",
		"a%0Ab", "a\tb", "a%1b", "a%ff", "http://h/x", "file:///x",
		"C:x", "a%2", "a%zz", "nbd+unix:/x", "./", ".//" };
	char *path VM_CLEAN_FREE = NULL;
	char *deep VM_CLEAN_FREE = NULL;
	struct vm_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (vm_ovf_href(bad[i], &err) != NULL ||
		    strcmp(err.code, "bad_href") != 0)
			fail_msg("%s is accepted", bad[i]);
	path = vm_ovf_href("./my%20disk,1.vmdk", &err);
	assert_string_equal(path, "my disk,1.vmdk");
	deep = vm_ovf_href(".//.///a/..b/c", &err);
	assert_string_equal(deep, "a/..b/c");
}

static void
test_amounts(void **state)
{
	static const struct {
		const char *quantity, *unit;
		uint64_t bytes;
	} good[] = { { "7", "byte", 7 }, { "20", "byte * 2^30", 20ull << 30 },
		{ "20", "byte*2^30", 20ull << 30 },
		{ " 3 ", "bytes * 1000 * 10^3", 3000000 },
		{ "5", "MegaBytes", 5 << 20 }, { "5", "GB", 5ull << 30 },
		{ "1", "byte * 2^0", 1 } };
	static const char *const bad[][2] = { { "", "byte" }, { "-1", "byte" },
		{ "1.5", "byte" }, { "0x7", "byte" }, { "1", "" },
		{ "1", "hertz * 10^6" }, { "1", "byte * 2^64" },
		{ "1", "byte * 2^" }, { "1", "byte 2" }, { "1", "byte *" },
		{ "2", "byte * 2^63" }, { "18446744073709551616", "byte" },
		{ "1", "byte * 10^63" }, { "%n", "byte" } };
	struct vm_error err = { 0 };
	uint64_t bytes;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (vm_ovf_amount(good[i].quantity, good[i].unit, &bytes,
			&err) == -1)
			fail_msg("%s", err.message);
		assert_int_equal(bytes, good[i].bytes);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (vm_ovf_amount(bad[i][0], bad[i][1], &bytes, &err) != -1)
			fail_msg("%s of %s is accepted", bad[i][0], bad[i][1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_virtualbox_writes_it),
		cmocka_unit_test(test_as_vmware_writes_it),
		cmocka_unit_test(test_version_2_and_other_prefixes),
		cmocka_unit_test(test_refuses_what_makes_no_sense),
		cmocka_unit_test(test_files_are_beside_it),
		cmocka_unit_test(test_amounts),
	};

	return cmocka_run_group_tests_name("ovf", tests, NULL, NULL);
}
