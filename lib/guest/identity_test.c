#include "test/unit.h"

#include "lib/guest/fake_engine.h"
#include "lib/guest/identity.h"
#include "lib/guest/layout.h"
#include "lib/guest/system.h"

static const char record_text[] =
    "{\"name\":\"web-1\",\"image\":{\"id\":\"abc\"},"
    "\"identity\":{\"uuid\":\"u\",\"instance_id\":\"i-1\","
    "\"machine_id\":\"0123\",\"nics\":["
    "{\"mac\":\"52:54:00:00:00:01\",\"network\":\"private:shop\","
    "\"address\":\"10.1.2.11/24\"},"
    "{\"mac\":\"52:54:00:00:00:02\",\"network\":\"user\"}]},"
    "\"spec\":{\"networks\":[{\"private\":\"shop\",\"gateway\":\"10.1.2.1\","
    "\"dns\":[\"10.1.2.2\",\"10.1.2.3\"]}]},"
    "\"private\":{\"random_seed\":\"000aff\",\"ssh_host_keys\":["
    "{\"type\":\"ed25519\",\"public\":\"PUB\",\"private\":\"PRIV\\n\"},"
    "{\"type\":\"rsa\",\"public\":\"RSAPUB\",\"private\":\"RSA\\n\"}]}}";

struct result {
	struct vm_error err;
	struct vm_json *record, *layout, *warnings;
	int value;
};

static struct result
identify(struct fake *fake, const char *layout, const char *record)
{
	const struct vm_engine engine = { &fake_ops, fake };
	struct result r = { .warnings = vm_json_new_array() };

	r.layout = vm_json_parse(layout, strlen(layout), &r.err);
	r.record = vm_json_parse(record, strlen(record), &r.err);
	assert_non_null(r.layout);
	assert_non_null(r.record);
	const struct vm_op_context context = { &engine, r.layout, NULL };
	r.value = vm_identity_apply(&context, r.record, true, r.warnings,
	    &r.err);
	return r;
}

static void
release(struct result *r)
{
	vm_json_free(r->record);
	vm_json_free(r->layout);
	vm_json_free(r->warnings);
}

static void
test_networkd(void **state)
{
	struct fake *fake = *state;
	VM_CLEAN_BUF struct vm_buf names = { 0 };
	VM_CLEAN_BUF struct vm_buf seed = { 0 };

	fake_put(fake, "/etc/ssh/ssh_host_ecdsa_key", "baked");
	fake_put(fake, "/etc/ssh/ssh_host_ecdsa_key.pub", "baked");
	fake_put(fake, "/etc/ssh/ssh_host_rsa_key", "baked");
	fake_put(fake, "/etc/ssh/sshd_config", "");
	fake_put(fake, "/var/lib/systemd/x", "");
	VM_CLEAN(release)
	struct result r = identify(fake,
	    "{\"init\":\"systemd\",\"network\":\"networkd\"}", record_text);
	assert_int_equal(0, r.value);
	assert_int_equal(0, vm_json_count(r.warnings));
	fake_assert(fake, "/etc/hostname", "web-1\n");
	fake_assert(fake, "/etc/machine-id", "0123\n");
	assert_int_equal(0444, fake_mode(fake, "/etc/machine-id"));
	assert_int_equal(0, fake_list(fake, "/etc/ssh", &names, NULL));
	assert_memory_equal("ssh_host_ed25519_key\0ssh_host_ed25519_key.pub\0"
			    "ssh_host_rsa_key\0ssh_host_rsa_key.pub\0"
			    "sshd_config",
	    names.data, names.len);
	fake_assert(fake, "/etc/ssh/ssh_host_ed25519_key", "PRIV\n");
	assert_int_equal(0600,
	    fake_mode(fake, "/etc/ssh/ssh_host_ed25519_key"));
	fake_assert(fake, "/etc/ssh/ssh_host_ed25519_key.pub", "PUB\n");
	fake_assert(fake, "/etc/ssh/ssh_host_rsa_key", "RSA\n");
	assert_int_equal(0600, fake_mode(fake, "/etc/ssh/ssh_host_rsa_key"));
	fake_assert(fake, "/etc/ssh/ssh_host_rsa_key.pub", "RSAPUB\n");
	assert_int_equal(0,
	    fake_read(fake, "/var/lib/systemd/random-seed", &seed, NULL));
	assert_int_equal(3, seed.len);
	assert_memory_equal("\0\x0a\xff", seed.data, 3);
	fake_assert(fake, "/etc/systemd/network/10-vmpipe-0.network",
	    "[Match]\nMACAddress=52:54:00:00:00:01\n\n[Network]\n"
	    "Address=10.1.2.11/24\nGateway=10.1.2.1\nDNS=10.1.2.2\n"
	    "DNS=10.1.2.3\n");
	fake_assert(fake, "/etc/systemd/network/10-vmpipe-1.network",
	    "[Match]\nMACAddress=52:54:00:00:00:02\n\n[Network]\n"
	    "DHCP=ipv4\n");
}

static void
test_ifupdown(void **state)
{
	struct fake *fake = *state;

	fake_put(fake, "/etc/network/interfaces", "auto lo\n");
	VM_CLEAN(release)
	struct result r = identify(fake,
	    "{\"init\":\"systemd\",\"network\":\"ifupdown\"}", record_text);
	assert_int_equal(0, r.value);
	fake_assert(fake, "/etc/network/interfaces",
	    "auto lo\nsource /etc/network/interfaces.d/vmpipe\n");
	fake_assert(fake, "/etc/network/interfaces.d/vmpipe",
	    "auto net0\niface net0 inet static\n\taddress 10.1.2.11/24\n"
	    "\tgateway 10.1.2.1\n\tdns-nameservers 10.1.2.2 10.1.2.3\n"
	    "auto net1\niface net1 inet dhcp\n");
	fake_assert(fake, "/etc/systemd/network/10-vmpipe-1.link",
	    "[Match]\nMACAddress=52:54:00:00:00:02\n\n[Link]\nName=net1\n");
}

/* A guest without systemd, sshd or a network that we know. */
static void
test_small_guest(void **state)
{
	struct fake *fake = *state;
	VM_CLEAN(release)
	struct result r = identify(fake,
	    "{\"init\":\"busybox\",\"network\":\"none\"}", record_text);

	assert_int_equal(0, r.value);
	assert_int_equal(1, vm_json_count(r.warnings));
	assert_int_equal(UINT_MAX, fake_mode(fake, "/etc/machine-id"));
	assert_int_equal(UINT_MAX, fake_mode(fake, "/etc/ssh"));
	fake_assert(fake, "/etc/vmpipe-release",
	    "VMPIPE_VERSION=" VM_VERSION "\nNAME=web-1\nUUID=u\n"
	    "INSTANCE=i-1\nIMAGE=abc\n"
	    "LAYER=\n");
}

#define DISKS                                                                  \
	"{\"name\":\"x\",\"identity\":{},\"disks\":["                          \
	"{\"path\":\"disk.qcow2\"},{\"name\":\"raw\",\"volume\":\"x-raw\"},"   \
	"{\"name\":\"data\",\"volume\":\"x-data\",\"mount\":\"/srv/data\","    \
	"\"uuid\":\"%s\"}]}"

/* Volumes get lines of fstab, in the place of what we wrote before. */
static void
test_mounts(void **state)
{
	struct fake *fake = *state;

	fake_put(fake, "/etc/fstab",
	    "# vmpipe: volume old\nUUID=0 /old ext4\nUUID=1 / ext4 x 0 1");
	for (size_t i = 0; i < 2; i++) {
		VM_CLEAN_FREE char *text = vm_buf_printf(NULL, DISKS,
		    i == 0 ? "aa" : "bb");
		VM_CLEAN(release)
		struct result r = identify(fake,
		    i == 0 ? "{\"init\":\"systemd\"}" : "{}", text);

		assert_int_equal(0, r.value);
		fake_assert(fake, "/etc/fstab",
		    i == 0 ?
			"UUID=1 / ext4 x 0 1\n# vmpipe: volume data\n"
			"UUID=aa\t/srv/data\text4\t"
			"defaults,nofail,x-systemd.growfs\t0\t2\n" :
			"UUID=1 / ext4 x 0 1\n# vmpipe: volume data\n"
			"UUID=bb\t/srv/data\text4\tdefaults,nofail\t0\t2\n");
		assert_int_equal(0755, fake_mode(fake, "/srv/data"));
	}
	VM_CLEAN(release)
	struct result r = identify(fake, "{}",
	    "{\"name\":\"x\",\"identity\":{}}");
	assert_int_equal(0, r.value);
	fake_assert(fake, "/etc/fstab", "UUID=1 / ext4 x 0 1\n");
}

/* No fstab: a warning, and nothing is made. */
static void
test_mounts_nowhere(void **state)
{
	struct fake *fake = *state;
	VM_CLEAN_FREE char *text = vm_buf_printf(NULL, DISKS, "aa");
	VM_CLEAN(release) struct result r = identify(fake, "{}", text);

	assert_int_equal(0, r.value);
	assert_int_equal(1, vm_json_count(r.warnings));
	assert_int_equal(UINT_MAX, fake_mode(fake, "/etc/fstab"));
}

/* Records can be edited on the way: nothing else gets into a file. */
static void
test_hostile_record(void **state)
{
	static const char *const bad[] = {
		"{\"name\":\"x\",\"identity\":{\"nics\":[{\"mac\":"
		"\"52:54:00:00:00:01\\n[X]\"}]}}",
		"{\"name\":\"x\",\"identity\":{\"nics\":[{\"mac\":\"\"}]}}",
		"{\"name\":\"x\",\"identity\":{\"nics\":[{\"mac\":"
		"\"52:54:00:00:00:01\",\"address\":\"10.0.0.1/24\\nX\"}]}}",
		"{\"name\":\"x\",\"identity\":{\"nics\":[{\"mac\":"
		"\"52:54:00:00:00:01\"}]},\"spec\":{\"networks\":"
		"[{\"gateway\":\"a\"}]}}",
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		VM_CLEAN(release)
		struct result r = identify(*state, "{\"network\":\"networkd\"}",
		    bad[i]);

		assert_int_equal(-1, r.value);
		assert_string_equal("bad_network", r.err.code);
	}
}

/* CASES U14 */
static void
test_relabel(void **state)
{
	struct fake *fake = *state;
	const struct vm_engine engine = { &fake_ops, fake };
	struct vm_error err = { 0 };

	assert_int_equal(0, vm_system_relabel(&engine, &err));
	fake_put(fake, "/etc/selinux/config",
	    "# SELINUX=enforcing\nSELINUX=disabled\nSELINUXTYPE=targeted\n");
	assert_int_equal(0, vm_system_relabel(&engine, &err));
	assert_int_equal(UINT_MAX, fake_mode(fake, "/.autorelabel"));
	fake_put(fake, "/etc/selinux/config", "SELINUX=enforcing\n");
	assert_int_equal(0, vm_system_relabel(&engine, &err));
	assert_int_equal(0644, fake_mode(fake, "/.autorelabel"));
}

/* --- layout.h */

static void
test_layout(void **state)
{
	struct fake *fake = *state;
	const struct vm_engine engine = { &fake_ops, fake };
	VM_CLEAN_BUF struct vm_buf out = { 0 };
	struct vm_error err = { 0 };

	fake->partitions[1] = (struct vm_engine_partition){
		.number = 9, .fs = "ext4", .uuid = "9999"
	};
	fake->partitions[2] = (struct vm_engine_partition){
		.number = 15, .fs = "swap", .uuid = "1515"
	};
	fake->partition_count = 3;
	fake_put(fake, "/etc/os-release",
	    "NAME=\"X\"\nID=debian\nVERSION_ID=\"12\"\nID_LIKE='a b'\n"
	    "PRETTY_NAME=\"De\x1b[31m\\bian\"\n");
	fake_put(fake, "/etc/fstab",
	    "# UUID=9999 /no\nUUID=1111 / ext4 x 0 0\n"
	    "\t UUID=9999\t /boot ext4\nUUID=1515 none swap\n"
	    "/dev/vda9 /a/../b\n/dev/sdb9 /srv\nproc /proc proc\nx\n");
	fake_put(fake, "/usr/lib/systemd/systemd", "");
	fake_put(fake, "/usr/bin/apt-get", "");
	fake_put(fake, "/etc/systemd/system/multi-user.target.wants/x", "");
	fake_link(fake, "/nowhere",
	    "/etc/systemd/system/multi-user.target.wants/"
	    "systemd-networkd.service");
	VM_CLEAN_JSON struct vm_json *layout = vm_layout_find(&engine, 0, &err);
	assert_non_null(layout);
	assert_int_equal(0, vm_json_format(layout, true, &out, &err));
	assert_string_equal(
	    "{\"fs\":\"ext4\",\"init\":\"systemd\",\"mounts\":["
	    "{\"at\":\"/\",\"partition\":1},"
	    "{\"at\":\"/boot\",\"partition\":9},"
	    "{\"at\":\"/srv\",\"partition\":9}],"
	    "\"network\":\"networkd\",\"os\":{\"id\":\"debian\","
	    "\"like\":\"a b\",\"name\":\"De[31m\\\\bian\","
	    "\"version\":\"12\"},\"packages\":\"apt\",\"version\":1}",
	    out.data);
}

static void
find_fails(struct fake *fake, const char *fs, int number, const char *code)
{
	const struct vm_engine engine = { &fake_ops, fake };
	struct vm_error err = { 0 };

	fake->partitions[0].number = number;
	snprintf(fake->partitions[0].fs, sizeof fake->partitions[0].fs, "%s",
	    fs);
	assert_null(vm_layout_find(&engine, 0, &err));
	assert_string_equal(code, err.code);
	assert_int_equal(VM_E_DATA, err.kind);
}

/* CASES U13 */
static void
test_no_layout(void **state)
{
	struct fake *fake = *state;

	find_fails(fake, "crypto_LUKS", 1, "guest_encrypted");
	find_fails(fake, "LVM2_member", 1, "guest_lvm");
	find_fails(fake, "", 1, "guest_no_os");
	find_fails(fake, "ext4", 9, "guest_mount");
	fake->partitions[1] = fake->partitions[0];
	fake->partition_count = 2;
	fake->partitions[1].number = 2;
	find_fails(fake, "ext4", 1, "guest_many_os");
}

int
main(void)
{
#define CASE(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_networkd),
		CASE(test_ifupdown),
		CASE(test_small_guest),
		CASE(test_mounts),
		CASE(test_mounts_nowhere),
		CASE(test_hostile_record),
		CASE(test_relabel),
		CASE(test_layout),
		CASE(test_no_layout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
