#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "lib/adapt/curl_access.h"
#include "test/unit.h"

static bool
is_private(const char *text)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return vm_access_is_private((struct sockaddr *)&v4);
	assert_int_equal(1, inet_pton(AF_INET6, text, &v6.sin6_addr));
	return vm_access_is_private((struct sockaddr *)&v6);
}

static void
test_addresses(void **state)
{
	static const char *const private[] = { "0.0.0.0", "10.1.2.3",
		"100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.0.9",
		"169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8",
		"192.168.1.1", "198.18.0.1", "198.19.255.255", "224.0.0.1",
		"240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1",
		"fec0::1", "fc00::1", "fd12::1", "ff02::1", "::127.0.0.1",
		"::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
		"2002:7f00:1::1", "2001::1", "2001:db8::1" };
	static const char *const public[] = { "1.1.1.1", "9.255.255.255",
		"11.0.0.0", "100.63.255.255", "100.128.0.0", "126.0.0.1",
		"128.0.0.1", "172.15.255.255", "172.32.0.0", "192.167.1.1",
		"198.17.255.255", "198.20.0.0", "223.255.255.255",
		"2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101",
		"2002:101:101::1", "2001:4860::8888" };
	struct sockaddr other = { .sa_family = AF_UNIX };

	(void)state;
	for (size_t i = 0; i < sizeof(private) / sizeof(private[0]); i++)
		if (!is_private(private[i]))
			fail_msg("%s is private", private[i]);
	for (size_t i = 0; i < sizeof(public) / sizeof(public[0]); i++)
		if (is_private(public[i]))
			fail_msg("%s is public", public[i]);
	assert_true(vm_access_is_private(&other));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
