/* command_test.c - QEMU's command, word by word, and what is refused. */
#include "lib/host/command.h"

#include <sys/stat.h>

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/clean.h"
#include "lib/disk/qcow2.h"
#include "lib/host/words.h"

#define ID "aa11"
#define GENERATION "0b9dd8a1-1f2e-4c3d-8a4b-5c6d7e8f9a0b"

static const char text[] =
    "{\"vmpipe\":1,\"kind\":\"vm\",\"name\":\"box\",\"service\":\"shop\","
    "\"image\":{\"id\":\"" ID "\"},"
    "\"disks\":[{\"path\":\"/s/vms/box/disk.qcow2\",\"format\":\"qcow2\"}],"
    "\"identity\":{\"uuid\":\"U\",\"generation_id\":\"" GENERATION "\","
    "\"nics\":["
    "{\"mac\":\"52:54:00:00:00:01\",\"network\":\"private:lan\"},"
    "{\"mac\":\"52:54:00:00:00:02\",\"network\":\"bridge:br0\"},"
    "{\"mac\":\"52:54:00:00:00:03\",\"network\":\"user\"}]},"
    "\"spec\":{\"cpus\":2,\"memory\":\"1G\",\"ready\":{\"tcp\":{\"port\":80}},"
    "\"networks\":[{\"private\":\"lan\"},{\"bridge\":\"br0\"},"
    "{\"user\":true,\"forward\":[{\"host\":8443,\"guest\":443}]}]},"
    "\"run\":{\"machine\":\"pc-q35-7.2\","
    "\"forwards\":[{\"host\":40022,\"guest\":22},{\"host\":1,\"guest\":443}]}}";

static const char *const expected[] = { "qemu", "-name", "box", "-uuid", "U",
	"-nodefaults", "-no-user-config", "-display", "none", "-sandbox",
	"on,obsolete=deny,elevateprivileges=deny,spawn=deny,"
	"resourcecontrol=deny",
	"-machine", "pc-q35-7.2,accel=kvm", "-cpu", "host", "-smp", "2", "-m",
	"1024M", "-device", "vmgenid,guid=" GENERATION,
	/* the chain, lowest first */
	"-blockdev",
	"{\"driver\":\"file\",\"node-name\":\"disk0-2-file\","
	"\"filename\":\"aa11.raw\",\"locking\":\"auto\",\"read-only\":true,"
	"\"discard\":\"unmap\"}",
	"-blockdev",
	"{\"driver\":\"raw\",\"node-name\":\"disk0-2\","
	"\"file\":\"disk0-2-file\",\"read-only\":true,\"discard\":\"unmap\"}",
	"-blockdev",
	"{\"driver\":\"file\",\"node-name\":\"disk0-1-file\","
	"\"filename\":\"layer.qcow2\",\"locking\":\"auto\","
	"\"read-only\":true,\"discard\":\"unmap\"}",
	"-blockdev",
	"{\"driver\":\"qcow2\",\"node-name\":\"disk0-1\","
	"\"file\":\"disk0-1-file\",\"read-only\":true,\"discard\":\"unmap\","
	"\"backing\":\"disk0-2\"}",
	"-blockdev",
	"{\"driver\":\"file\",\"node-name\":\"disk0-file\","
	"\"filename\":\"disk.qcow2\",\"locking\":\"auto\","
	"\"read-only\":false,\"discard\":\"unmap\"}",
	"-blockdev",
	"{\"driver\":\"qcow2\",\"node-name\":\"disk0\","
	"\"file\":\"disk0-file\",\"read-only\":false,\"discard\":\"unmap\","
	"\"backing\":\"disk0-1\"}",
	"-device", "virtio-blk-pci,drive=disk0,bootindex=1", "-chardev",
	"socket,id=monitor,fd=7,server=on,wait=off", "-mon",
	"chardev=monitor,mode=control", "-chardev",
	"socket,id=console,path=console.sock,server=on,wait=off,"
	"logfile=console.log,logappend=on",
	"-serial", "chardev:console", "-device", "virtio-serial-pci",
	"-chardev", "socket,id=agent,path=agent.sock,server=on,wait=off",
	"-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
	"-device", "virtio-rng-pci", "-netdev", NULL /* the group */, "-device",
	"virtio-net-pci,netdev=net0,mac=52:54:00:00:00:01,romfile=", "-netdev",
	"bridge,id=net1,br=br0", "-device",
	"virtio-net-pci,netdev=net1,mac=52:54:00:00:00:02,romfile=", "-netdev",
	"user,id=net2,hostfwd=tcp:127.0.0.1:8443-:443,"
	"hostfwd=tcp:127.0.0.1:40022-:22,hostfwd=tcp:127.0.0.1:0-:80",
	"-device",
	"virtio-net-pci,netdev=net2,mac=52:54:00:00:00:03,romfile=" };

static char directory[64];
static int dir_fd;

static void
make_overlay(const char *name, const char *backing, const char *format,
    mode_t mode)
{
	const struct vm_qcow2_options options = { .virtual_size = 1 << 20,
		.backing_file = backing,
		.backing_format = format };
	VM_CLEAN_FD int fd = openat(dir_fd, name,
	    O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_not_equal(fd, -1);
	assert_int_equal(vm_qcow2_create(fd, &options, NULL), 0);
	assert_int_equal(fchmod(fd, mode), 0);
}

static int
setup(void **state)
{
	int fd;

	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/vmpipe-command.XXXXXX");
	if (mkdtemp(directory) == NULL)
		return -1;
	dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = openat(dir_fd, ID ".raw", O_RDWR | O_CREAT | O_CLOEXEC, 0444);
	if (fd == -1 || ftruncate(fd, 1 << 20) == -1)
		return -1;
	close(fd);
	make_overlay("layer.qcow2", ID ".raw", "raw", 0444);
	make_overlay("disk.qcow2", "layer.qcow2", "qcow2", 0600);
	return 0;
}

static int
teardown(void **state)
{
	static const char *const names[] = { ID ".raw", "layer.qcow2",
		"disk.qcow2", "log" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		unlinkat(dir_fd, names[i], 0);
	close(dir_fd);
	return rmdir(directory);
}

static struct vm_json *
make_record(void)
{
	struct vm_json *record = vm_json_parse(text, sizeof(text) - 1, NULL);

	assert_non_null(record);
	return record;
}

static int
build(struct vm_json *record, struct vm_argv *argv, struct vm_error *err)
{
	static struct vm_nets nets;
	const struct vm_command command = { .record = record,
		.qemu = "qemu",
		.kvm = true,
		.dir_fd = dir_fd,
		.nets = &nets,
		.fds = { 7, -1, -1 } };

	if (vm_net_plan(record, "/s", &nets, err) == -1)
		return -1;
	return vm_command_build(&command, argv, err);
}

static void
test_exact(void **state)
{
	VM_CLEAN_JSON struct vm_json *record = make_record();
	VM_CLEAN_ARGV struct vm_argv argv = { 0 };
	struct vm_error err = { 0 };
	size_t i, count = sizeof(expected) / sizeof(*expected);

	(void)state;
	assert_int_equal(build(record, &argv, &err), 0);
	for (i = 0; i < count && i < argv.count; i++) {
		if (expected[i] != NULL)
			assert_string_equal(argv.items[i], expected[i]);
		else
			assert_int_equal(strncmp(argv.items[i],
					     "socket,id=net0,mcast=239.19", 27),
			    0);
	}
	assert_int_equal(argv.count, count);
}

static void
is_refused(struct vm_json *record, const char *code, const char *message)
{
	VM_CLEAN_ARGV struct vm_argv argv = { 0 };
	struct vm_error err = { 0 };

	assert_int_equal(build(record, &argv, &err), -1);
	assert_string_equal(err.code, code);
	assert_string_equal(err.message, message);
}

static void
test_chain_refused(void **state)
{
	VM_CLEAN_JSON struct vm_json *record = make_record();

	(void)state;
	make_overlay("layer.qcow2", ID ".raw", "raw", 0644);
	is_refused(record, "bad_chain",
	    "disk: layer.qcow2 is a base, yet not read-only");
	make_overlay("layer.qcow2", "layer.qcow2", "qcow2", 0444);
	is_refused(record, "bad_chain",
	    "disk: disk.qcow2 stands on too many files");
	make_overlay("layer.qcow2", "a\"b", "raw", 0444);
	is_refused(record, "bad_chain", "disk: a\"b is no name of ours");
	make_overlay("layer.qcow2", ID ".raw", "raw", 0444);
	assert_int_equal(vm_json_set_string(record, "image.id", "bb22", NULL),
	    0);
	is_refused(record, "bad_chain",
	    "disk: aa11.raw is not the image of the record");
	assert_int_equal(vm_json_set_string(record, "disks.0.format", "vmdk",
			     NULL),
	    0);
	is_refused(record, "bad_chain",
	    "disk: disk.qcow2 is of no known format");
	vm_json_delete(record, "disks");
	is_refused(record, "bad_record", "the record has no disks");
}

static struct vm_json *
make_disk(const char *json)
{
	struct vm_json *disk = vm_json_parse(json, strlen(json), NULL);

	assert_non_null(disk);
	return disk;
}

/* Data disks and volumes: by serial number, in their own formats. */
static void
test_further_disks(void **state)
{
	static const char *const wanted[] = {
		"{\"driver\":\"qcow2\",\"node-name\":\"disk1\","
		"\"file\":\"disk1-file\",\"read-only\":false,"
		"\"discard\":\"unmap\",\"backing\":\"disk1-1\"}",
		"virtio-blk-pci,drive=disk1,serial=tools",
		"{\"driver\":\"raw\",\"node-name\":\"disk2\","
		"\"file\":\"disk2-file\",\"read-only\":false,"
		"\"discard\":\"unmap\"}",
		"virtio-blk-pci,drive=disk2,serial=data"
	};
	VM_CLEAN_JSON struct vm_json *record = make_record();
	struct vm_json *disks = vm_json_get(record, "disks");
	VM_CLEAN_ARGV struct vm_argv argv = { 0 };
	struct vm_error err = { 0 };
	size_t found = 0;

	(void)state;
	make_overlay("tools.qcow2", ID ".raw", "raw", 0600);
	/* a volume that begins like a qcow2 file is raw all the same */
	make_overlay("volume-data.raw", "/etc/passwd", "raw", 0600);
	assert_int_equal(vm_json_append(disks,
			     make_disk("{\"path\":\"tools.qcow2\","
				       "\"format\":\"qcow2\","
				       "\"name\":\"tools\","
				       "\"image\":\"" ID "\"}"),
			     NULL),
	    0);
	assert_int_equal(vm_json_append(disks,
			     make_disk("{\"path\":\"volume-data.raw\","
				       "\"format\":\"raw\","
				       "\"name\":\"data\"}"),
			     NULL),
	    0);
	assert_int_equal(build(record, &argv, &err), 0);
	for (size_t i = 0; i < argv.count; i++) {
		assert_null(strstr(argv.items[i], "passwd"));
		if (found < 4 && strcmp(argv.items[i], wanted[found]) == 0)
			found++;
	}
	assert_int_equal(found, 4);
	assert_int_equal(vm_json_set_string(record, "disks.1.image", "bb22",
			     NULL),
	    0);
	is_refused(record, "bad_chain",
	    "disk: aa11.raw is not the image of the record");
	assert_int_equal(vm_json_set_string(record, "disks.1.image", ID, NULL),
	    0);
	assert_int_equal(vm_json_set_string(record, "disks.2.name",
			     "x,bootindex=0", NULL),
	    0);
	is_refused(record, "bad_chain",
	    "disk: x,bootindex=0 is no name of a disk");
	assert_int_equal(unlinkat(dir_fd, "tools.qcow2", 0), 0);
	assert_int_equal(unlinkat(dir_fd, "volume-data.raw", 0), 0);
}

/* A VM of before has none and gets no device; no other words get in. */
static void
test_generation(void **state)
{
	VM_CLEAN_JSON struct vm_json *record = make_record();
	VM_CLEAN_ARGV struct vm_argv argv = { 0 };
	struct vm_error err = { 0 };

	(void)state;
	assert_int_equal(vm_json_set_string(record, "identity.generation_id",
			     GENERATION ",x=y", NULL),
	    0);
	is_refused(record, "bad_uuid",
	    "identity.generation_id: \"" GENERATION ",x=y\" is no UUID, like "
	    "5d0c9c1e-6c0f-4a5e-9b1c-2f6a0f0c7d11");
	vm_json_delete(record, "identity.generation_id");
	assert_int_equal(build(record, &argv, &err), 0);
	assert_int_equal(argv.count, sizeof(expected) / sizeof(*expected) - 2);
}

static void
test_networks_refused(void **state)
{
	VM_CLEAN_JSON struct vm_json *record = make_record();

	(void)state;
	assert_int_equal(vm_json_set_string(record, "identity.nics.0.mac",
			     "52:54:00:00:00:1,", NULL),
	    0);
	is_refused(record, "bad_networks",
	    "spec.networks.0: the VM's card has no MAC address");
	assert_int_equal(vm_json_set_string(record, "identity.nics.0.mac",
			     "52:54:00:00:00:01", NULL),
	    0);
	assert_int_equal(vm_json_set_string(record, "identity.nics.1.network",
			     "user", NULL),
	    0);
	is_refused(record, "bad_networks",
	    "spec.networks.1: not a card that the VM was cloned with");
	assert_int_equal(vm_json_set_string(record, "identity.nics.1.network",
			     "tap:eth0", NULL),
	    0);
	is_refused(record, "bad_networks",
	    "spec.networks.1: the VM's card is of no known kind");
}

static void
test_private_groups_differ(void **state)
{
	VM_CLEAN_JSON struct vm_json *record = make_record();
	struct vm_nets a, b;

	(void)state;
	assert_int_equal(vm_net_plan(record, "/s", &a, NULL), 0);
	assert_int_equal(vm_net_plan(record, "/s", &b, NULL), 0);
	assert_string_equal(a.items[0].group, b.items[0].group);
	assert_int_equal(vm_net_plan(record, "/other", &b, NULL), 0);
	assert_string_not_equal(a.items[0].group, b.items[0].group);
	assert_int_equal(vm_json_set_string(record, "service", "other", NULL),
	    0);
	assert_int_equal(vm_net_plan(record, "/s", &b, NULL), 0);
	assert_string_not_equal(a.items[0].group, b.items[0].group);
}

/* Two VMs want a free port at once: each gets its own, and keeps it. */
static void
test_ports(void **state)
{
	VM_CLEAN_JSON struct vm_json *record = make_record();
	VM_CLEAN_NETS struct vm_nets a = { .count = 0 }, b = { .count = 0 };
	struct vm_error err = { 0 };
	uint16_t port;

	(void)state;
	while (vm_json_count(vm_json_get(record, "identity.nics")) > 1)
		vm_json_delete(record, "identity.nics.0");
	vm_json_delete(record, "spec.networks");
	vm_json_delete(record, "run");
	assert_int_equal(vm_net_plan(record, "/s", &a, &err), 0);
	assert_int_equal(vm_net_plan(record, "/s", &b, &err), 0);
	assert_int_equal(vm_net_reserve(&a, &err), 0);
	assert_int_equal(vm_net_reserve(&b, &err), 0);
	port = vm_net_find_port(&a, 22);
	assert_int_not_equal(port, 0);
	assert_int_not_equal(port, vm_net_find_port(&a, 80));
	assert_int_not_equal(port, vm_net_find_port(&b, 22));
	vm_net_release(&a);
	/* asked for again, it is the same */
	assert_int_equal(vm_json_set(record, "run.forwards",
			     vm_net_format_forwards(&a, &err), NULL),
	    0);
	assert_int_equal(vm_net_plan(record, "/s", &a, &err), 0);
	assert_int_equal(vm_net_reserve(&a, &err), 0);
	assert_int_equal(vm_net_find_port(&a, 22), port);
}

static void
test_quoting(void **state)
{
	VM_CLEAN_ARGV struct vm_argv argv = { 0 };
	VM_CLEAN_BUF struct vm_buf out = { 0 };

	(void)state;
	assert_int_equal(vm_argv_add(&argv, NULL, "a=b", "", "it's",
			     "{\"x\":1}", "$(id)", (char *)NULL),
	    0);
	assert_int_equal(vm_argv_format(&argv, &out, NULL), 0);
	assert_string_equal(out.data, "a=b '' 'it'\\''s' '{\"x\":1}' '$(id)'");
}

static void
test_last_words(void **state)
{
	static const char log[] = "first\r\n\033[2J\033[31mred\033[0m alert\r\n"
				  "\r\n  \xff\x01 end";
	VM_CLEAN_FD int fd = openat(dir_fd, "log",
	    O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	char out[128];

	(void)state;
	assert_int_equal(write(fd, log, sizeof(log) - 1), sizeof(log) - 1);
	assert_string_equal(vm_words_read(dir_fd, "log", 1, out, sizeof(out)),
	    "  \\xff\\x01 end");
	assert_string_equal(vm_words_read(dir_fd, "log", 2, out, sizeof(out)),
	    "red alert |   \\xff\\x01 end");
	assert_string_equal(vm_words_read(dir_fd, "log", 9, out, sizeof(out)),
	    "first | red alert |   \\xff\\x01 end");
	assert_string_equal(vm_words_read(dir_fd, "log", 9, out, 12), "first");
	assert_string_equal(vm_words_read(dir_fd, "none", 9, out, 12), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_further_disks),
		cmocka_unit_test(test_chain_refused),
		cmocka_unit_test(test_generation),
		cmocka_unit_test(test_networks_refused),
		cmocka_unit_test(test_private_groups_differ),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_quoting),
		cmocka_unit_test(test_last_words),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
