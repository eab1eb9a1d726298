#include "lib/image/ovf_amount.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <strings.h>

#include "lib/base/log.h"

#define SHOWN 64

static void
skip_space(const char **s)
{
	while (isspace((unsigned char)**s))
		(*s)++;
}

static bool
take_number(const char **s, uint64_t *number)
{
	char *end;

	skip_space(s);
	if (!isdigit((unsigned char)**s))
		return false;
	errno = 0;
	*number = strtoull(*s, &end, 10);
	*s = end;
	skip_space(s);
	return errno == 0;
}

/* The word that a unit begins with, as bytes. */
static bool
take_word(const char **s, uint64_t *bytes)
{
	/* the longer of two that begin alike comes first */
	static const struct {
		const char *name;
		size_t len;
		uint64_t bytes;
	} words[] = { { "bytes", 5, 1 }, { "byte", 4, 1 },
		{ "kilobytes", 9, 1024 }, { "kilobyte", 8, 1024 },
		{ "megabytes", 9, 1 << 20 }, { "megabyte", 8, 1 << 20 },
		{ "gigabytes", 9, 1 << 30 }, { "gigabyte", 8, 1 << 30 },
		{ "kb", 2, 1024 }, { "mb", 2, 1 << 20 }, { "gb", 2, 1 << 30 } };

	skip_space(s);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strncasecmp(*s, words[i].name, words[i].len) != 0)
			continue;
		*s += words[i].len;
		*bytes = words[i].bytes;
		skip_space(s);
		return true;
	}
	return false;
}

/* "* 2^30", "* 1000" */
static bool
take_factor(const char **s, uint64_t *bytes)
{
	uint64_t base, exponent = 1;

	if (*(*s)++ != '*' || !take_number(s, &base))
		return false;
	if (**s == '^') {
		(*s)++;
		if (!take_number(s, &exponent) || exponent > 63)
			return false;
	}
	while (exponent-- > 0)
		if (__builtin_mul_overflow(*bytes, base, bytes))
			return false;
	return true;
}

static bool
parse(const char *quantity, const char *unit, uint64_t *bytes)
{
	uint64_t number, factor;

	if (!take_number(&quantity, &number) || *quantity != '\0' ||
	    !take_word(&unit, &factor))
		return false;
	while (*unit != '\0')
		if (!take_factor(&unit, &factor))
			return false;
	return !__builtin_mul_overflow(number, factor, bytes);
}

int
vm_ovf_amount(const char *quantity, const char *unit, uint64_t *bytes,
    struct vm_error *err)
{
	char shown[SHOWN], shown_unit[SHOWN];
	uint64_t amount;

	if (parse(quantity, unit, &amount)) {
		*bytes = amount;
		return 0;
	}
	return vm_error_set(err, VM_E_DATA, "bad_ovf",
	    "\"%s\" of \"%s\" is no number of bytes",
	    vm_log_escape(quantity, shown, sizeof(shown)),
	    vm_log_escape(unit, shown_unit, sizeof(shown_unit)));
}
