#include "lib/base/size.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Digits at *text; 0 and *text moved behind them, -1 when none or too many. */
static int
scan_number(const char **text, uint64_t *number)
{
	char *end;

	if (!isdigit((unsigned char)**text))
		return -1;
	errno = 0;
	*number = strtoull(*text, &end, 10);
	if (errno != 0)
		return -1;
	*text = end;
	return 0;
}

static int
scan_size(const char *s, uint64_t *size_bytes)
{
	static const char units[] = "KMGTPkmgtp";
	const char *unit;
	uint64_t number;
	unsigned shift = 0;

	if (scan_number(&s, &number) == -1)
		return -1;
	if (*s != '\0') {
		if ((unit = strchr(units, *s)) == NULL)
			return -1;
		shift = 10 * ((unsigned)(unit - units) % 5 + 1);
		s++;
		if (strcmp(s, "") != 0 && strcmp(s, "iB") != 0)
			return -1;
	}
	if (shift > 0 && number > UINT64_MAX >> shift)
		return -1;
	*size_bytes = number << shift;
	return 0;
}

int
vm_size_parse(const char *text, uint64_t *size_bytes, struct vm_error *err)
{
	if (scan_size(text, size_bytes) == -1)
		return vm_error_set(err, VM_E_DATA, "bad_size",
		    "\"%s\" is not a size (512M, 10G or a number of bytes)",
		    text);
	return 0;
}

char *
vm_size_format(uint64_t size_bytes, bool exact, char out[VM_SIZE_TEXT])
{
	static const char units[] = "KMGTPE";
	double value = (double)size_bytes;
	int unit = -1;

	if (exact || size_bytes < 1024) {
		snprintf(out, VM_SIZE_TEXT, "%llu",
		    (unsigned long long)size_bytes);
		return out;
	}
	do {
		value /= 1024;
		unit++;
	} while (value >= 1023.5);
	if (value < 9.95 && value - (double)(int)value >= 0.05)
		snprintf(out, VM_SIZE_TEXT, "%.1f%c", value, units[unit]);
	else
		snprintf(out, VM_SIZE_TEXT, "%.0f%c", value, units[unit]);
	return out;
}

/* The unit at *text in milliseconds; 0 when it is none. */
static uint64_t
scan_unit(const char **text)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 },
		{ "h", 3600000 }, { "d", 86400000 } };
	size_t i, len;

	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		len = strlen(units[i].name);
		if (strncmp(*text, units[i].name, len) == 0) {
			*text += len;
			return units[i].ms;
		}
	}
	return 0;
}

static int
scan_duration(const char *s, uint64_t *ms)
{
	uint64_t number, unit, total = 0;
	bool first = true;

	do {
		if (scan_number(&s, &number) == -1)
			return -1;
		unit = *s == '\0' && first ? 1000 : scan_unit(&s);
		first = false;
		if (unit == 0 ||
		    __builtin_mul_overflow(number, unit, &number) ||
		    __builtin_add_overflow(total, number, &total))
			return -1;
	} while (*s != '\0');
	*ms = total;
	return 0;
}

int
vm_size_parse_duration(const char *text, uint64_t *ms, struct vm_error *err)
{
	if (scan_duration(text, ms) == -1)
		return vm_error_set(err, VM_E_DATA, "bad_duration",
		    "\"%s\" is not a duration (like 30s, 2m or 1h30m)", text);
	return 0;
}

int
vm_size_parse_number(const char *text, uint64_t min, uint64_t max,
    uint64_t *number, struct vm_error *err)
{
	const char *s = text;
	uint64_t value;

	if (scan_number(&s, &value) == -1 || *s != '\0' || value < min ||
	    value > max)
		return vm_error_set(err, VM_E_DATA, "bad_number",
		    "\"%s\" is not a number from %llu to %llu", text,
		    (unsigned long long)min, (unsigned long long)max);
	*number = value;
	return 0;
}
