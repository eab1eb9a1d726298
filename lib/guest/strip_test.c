/*
 * What vmcustomize writes as the identity, and what a guest makes for itself,
 * is gone afterwards; all else is as it was.
 */
#include "test/unit.h"

#include "lib/guest/fake_engine.h"
#include "lib/guest/identity.h"
#include "lib/guest/strip.h"

#define ID "0123456789abcdef0123456789abcdef"

static const char record_text[] =
    "{\"name\":\"web-1\",\"image\":{\"id\":\"abc\"},\"identity\":{"
    "\"uuid\":\"u\",\"machine_id\":\"" ID "\",\"nics\":["
    "{\"mac\":\"52:54:00:00:00:01\",\"address\":\"10.1.2.11/24\"}]},"
    "\"disks\":[{\"name\":\"v\",\"mount\":\"/srv\",\"uuid\":\"bb\"}],"
    "\"private\":{\"random_seed\":\"000aff\",\"ssh_host_keys\":["
    "{\"type\":\"ed25519\",\"public\":\"PUB\",\"private\":\"PRIV\\n\"}]}}";

struct result {
	struct vm_error err;
	struct vm_json *record, *layout, *warnings;
	struct vm_engine engine;
	struct vm_op_context context;
};

static void
begin(struct fake *fake, const char *layout, struct result *r)
{
	*r = (struct result){ .warnings = vm_json_new_array(),
		.engine = { &fake_ops, fake } };
	r->layout = vm_json_parse(layout, strlen(layout), &r->err);
	r->record = vm_json_parse(record_text, strlen(record_text), &r->err);
	assert_non_null(r->layout);
	assert_non_null(r->record);
	r->context = (struct vm_op_context){ &r->engine, r->layout, NULL };
}

static void
release(struct result *r)
{
	vm_json_free(r->record);
	vm_json_free(r->layout);
	vm_json_free(r->warnings);
}

static void
identify(struct result *r)
{
	assert_int_equal(0,
	    vm_identity_apply(&r->context, r->record, true, r->warnings,
		&r->err));
}

static void
strip(struct result *r)
{
	if (vm_strip_identity(&r->context, r->warnings, &r->err) == -1)
		fail_msg("%s", r->err.message);
}

static void
assert_gone(const struct fake *fake, const char *path)
{
	if (fake_mode(fake, path) != UINT_MAX)
		fail_msg("%s is still there", path);
}

/* Another name for the private key: its bytes go as well. */
static void
keep_key(const struct fake *fake)
{
	char from[2 * PATH_MAX], to[2 * PATH_MAX];

	snprintf(from, sizeof from, "%s/etc/ssh/ssh_host_ed25519_key",
	    fake->root);
	snprintf(to, sizeof to, "%s/root/kept_key", fake->root);
	assert_int_equal(0, link(from, to));
	fake_assert(fake, "/root/kept_key", "PRIV\n");
}

/* A guest with systemd, sshd and networkd, which has run. */
static void
test_undoes_identity(void **state)
{
	struct fake *fake = *state;
	VM_CLEAN(release) struct result r;

	fake_put(fake, "/etc/ssh/sshd_config", "Port 22\n");
	fake_put(fake, "/usr/bin/ssh-keygen", "");
	fake_put(fake, "/var/lib/systemd/timesync/clock", "");
	fake_put(fake, "/var/log/journal/" ID "/system.journal", "x");
	fake_put(fake, "/var/log/journal/other/system.journal", "x");
	fake_put(fake, "/var/lib/dbus/machine-id", ID "\n");
	fake_put(fake, "/etc/systemd/network/20-mine.network", "[Match]\n");
	fake_put(fake, "/root/.ssh/authorized_keys", "key\n");
	fake_put(fake, "/etc/fstab", "UUID=1 / ext4 defaults\n");
	begin(fake,
	    "{\"init\":\"systemd\",\"network\":\"networkd\",\"mounts\":["
	    "{\"at\":\"/\"},{\"at\":\"/boot\"}]}",
	    &r);
	identify(&r);
	fake_assert(fake, "/etc/fstab",
	    "UUID=1 / ext4 defaults\n# vmpipe: volume v\n"
	    "UUID=bb\t/srv\text4\tdefaults,nofail,x-systemd.growfs\t0\t2\n");
	keep_key(fake);
	strip(&r);
	assert_int_equal(0, vm_json_count(r.warnings));
	fake_assert(fake, "/etc/fstab", "UUID=1 / ext4 defaults\n");
	assert_string_equal("trim /\ntrim /boot\n", fake->ran.data);
	fake_assert(fake, "/root/kept_key", "");

	fake_assert(fake, "/etc/machine-id", "");
	assert_int_equal(0444, fake_mode(fake, "/etc/machine-id"));
	assert_gone(fake, "/var/lib/dbus/machine-id");
	assert_gone(fake, "/var/log/journal/" ID);
	assert_gone(fake, "/etc/ssh/ssh_host_ed25519_key");
	assert_gone(fake, "/etc/ssh/ssh_host_ed25519_key.pub");
	assert_gone(fake, "/var/lib/systemd/random-seed");
	assert_gone(fake, "/etc/systemd/network/10-vmpipe-0.network");
	assert_gone(fake, "/etc/hostname");
	fake_assert(fake, "/etc/hosts",
	    "127.0.0.1\tlocalhost\n::1\tlocalhost\n");
	assert_gone(fake, "/etc/vmpipe-release");

	fake_assert(fake, "/var/log/journal/other/system.journal", "x");
	fake_assert(fake, "/etc/systemd/network/20-mine.network", "[Match]\n");
	fake_assert(fake, "/root/.ssh/authorized_keys", "key\n");
	fake_assert(fake, "/etc/ssh/sshd_config", "Port 22\n");
	assert_int_equal(0644,
	    fake_mode(fake, "/etc/systemd/system/vmpipe-ssh-keys.service"));
	assert_int_not_equal(UINT_MAX,
	    fake_mode(fake,
		"/etc/systemd/system/multi-user.target.wants/"
		"vmpipe-ssh-keys.service"));

	/* and a second time */
	strip(&r);
	fake_assert(fake, "/etc/machine-id", "");
}

static void
test_ifupdown(void **state)
{
	struct fake *fake = *state;
	VM_CLEAN(release) struct result r;

	fake_put(fake, "/etc/network/interfaces", "auto lo\n");
	begin(fake, "{\"init\":\"systemd\",\"network\":\"ifupdown\"}", &r);
	identify(&r);
	strip(&r);
	fake_assert(fake, "/etc/network/interfaces", "auto lo\n");
	assert_gone(fake, "/etc/network/interfaces.d/vmpipe");
	assert_gone(fake, "/etc/systemd/network/10-vmpipe-0.link");
	assert_gone(fake, "/etc/systemd/system/vmpipe-ssh-keys.service");
}

/* What guests leave about themselves, each in its place. */
static void
test_leavings(void **state)
{
	static const char *const paths[] = {
		"/etc/ssh/ssh_host_rsa_key-cert.pub",
		"/etc/dropbear/dropbear_rsa_host_key",
		"/var/lib/systemd/credential.secret",
		"/var/lib/urandom/random-seed",
		"/var/lib/seedrng/seed.credit",
		"/boot/efi/loader/random-seed",
		"/etc/udev/rules.d/70-persistent-net.rules",
		"/var/lib/dhcp/dhclient.eth0.leases",
		"/var/lib/dhcpcd/duid",
		"/var/lib/dhcpcd/secret",
		"/etc/dhcpcd.duid",
		"/var/lib/NetworkManager/internal-1-eth0.lease",
		"/var/lib/NetworkManager/secret_key",
		"/var/lib/wicked/duid.xml",
		"/var/lib/cloud/instances/i-1/user-data.txt",
		"/var/lib/cloud/data/instance-id",
		"/var/lib/cloud/sem/config_scripts_per_once.once",
		"/etc/netplan/50-cloud-init.yaml",
		"/etc/network/interfaces.d/50-cloud-init.cfg",
	};
	static const char *const kept[] = {
		"/etc/udev/rules.d/80-mine.rules",
		"/var/lib/NetworkManager/NetworkManager.state",
		"/var/lib/cloud/seed/nocloud/meta-data",
		"/etc/netplan/01-netcfg.yaml",
		"/var/lib/dbus/other",
	};
	struct fake *fake = *state;
	VM_CLEAN(release) struct result r;

	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		fake_put(fake, paths[i], "x");
	for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
		fake_put(fake, kept[i], "x");
	fake_link(fake, "/etc/machine-id", "/var/lib/dbus/machine-id");
	fake_link(fake, "/var/lib/cloud/instances/i-1",
	    "/var/lib/cloud/instance");
	begin(fake, "{\"init\":\"systemd\"}", &r);
	strip(&r);
	assert_int_equal(0, vm_json_count(r.warnings));
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		assert_gone(fake, paths[i]);
	for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
		fake_assert(fake, kept[i], "x");
	assert_gone(fake, "/var/lib/cloud/instance");
	assert_int_not_equal(UINT_MAX,
	    fake_mode(fake, "/var/lib/dbus/machine-id"));
	assert_gone(fake, "/etc/machine-id");
}

/* Guests that make keys by themselves, and one that cannot. */
static void
test_host_keys(void **state)
{
	struct fake *fake = *state;
	VM_CLEAN(release) struct result busy, red, plain;

	fake_put(fake, "/etc/ssh/sshd_config", "");
	begin(fake, "{\"init\":\"openrc\"}", &plain);
	strip(&plain);
	assert_int_equal(0, vm_json_count(plain.warnings));
	begin(fake, "{\"init\":\"busybox\"}", &busy);
	strip(&busy);
	assert_int_equal(1, vm_json_count(busy.warnings));
	fake_put(fake, "/usr/bin/ssh-keygen", "");
	fake_put(fake, "/usr/lib/systemd/system/sshd-keygen@.service", "");
	begin(fake, "{\"init\":\"systemd\"}", &red);
	strip(&red);
	assert_int_equal(0, vm_json_count(red.warnings));
	assert_gone(fake, "/etc/systemd/system/vmpipe-ssh-keys.service");
}

/* A guest's links do not lead us to other files of it. */
static void
test_links(void **state)
{
	struct fake *fake = *state;
	VM_CLEAN(release) struct result r;

	fake_put(fake, "/srv/precious", "x");
	fake_put(fake, "/var/lib/x", "");
	fake_link(fake, "../../srv", "/var/lib/dhcp");
	fake_link(fake, "/srv/precious", "/etc/machine-id");
	fake_link(fake, "/srv/precious", "/etc/hostname");
	begin(fake, "{\"init\":\"systemd\"}", &r);
	strip(&r);
	assert_int_equal(2, vm_json_count(r.warnings));
	fake_assert(fake, "/srv/precious", "x");
	assert_gone(fake, "/etc/hostname");
}

int
main(void)
{
#define CASE(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_undoes_identity),
		CASE(test_ifupdown),
		CASE(test_leavings),
		CASE(test_host_keys),
		CASE(test_links),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
