#include "lib/base/log.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/progress.h"

static const char *log_name = "vmpipe";
static enum vm_log_level log_level = VM_LOG_WARN;

void
vm_log_start(const char *name, enum vm_log_level level)
{
	log_name = name;
	log_level = level;
}

const char *
vm_log_name(void)
{
	return log_name;
}

/*
 * Decode one UTF-8 character (RFC 3629: no surrogates, no overlong forms);
 * returns its length, or 0 when the bytes are none.
 */
static size_t
decode(const unsigned char *s, uint32_t *point)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len, i;

	if (s[0] < 0x80) {
		*point = s[0];
		return 1;
	}
	len = s[0] >= 0xf0 && s[0] < 0xf5 ? 4 :
	    s[0] >= 0xe0 && s[0] < 0xf0	  ? 3 :
	    s[0] >= 0xc2 && s[0] < 0xe0	  ? 2 :
					    0;
	if (len == 0)
		return 0;
	*point = s[0] & (0xffU >> (len + 1));
	for (i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*point = *point << 6 | (s[i] & 0x3f);
	}
	if (*point < least[len] || *point > 0x10ffff ||
	    (*point >= 0xd800 && *point < 0xe000))
		return 0;
	return len;
}

/* C1 controls, bidirectional marks, zero-width and line separators. */
static int
is_unsafe(uint32_t p)
{
	return (p >= 0x80 && p < 0xa0) || p == 0xad || p == 0x61c ||
	    (p >= 0x200b && p <= 0x200f) || (p >= 0x2028 && p <= 0x202e) ||
	    (p >= 0x2060 && p <= 0x206f) || p == 0xfeff ||
	    (p >= 0xe0000 && p <= 0xe007f);
}

/* One character's safe form into piece; returns how many bytes were used. */
static size_t
escape_one(const unsigned char *s, char piece[16])
{
	uint32_t point = 0;
	size_t len = decode(s, &point);

	if (len == 0) {
		snprintf(piece, 16, "\\x%02x", s[0]);
		return 1;
	}
	if (point == '\n')
		memcpy(piece, "\\n", 3);
	else if (point == '\t')
		memcpy(piece, "\\t", 3);
	else if (point == '\r')
		memcpy(piece, "\\r", 3);
	else if (point < 0x20 || point == 0x7f)
		snprintf(piece, 16, "\\x%02x", (unsigned)point);
	else if (is_unsafe(point))
		snprintf(piece, 16, "\\u{%04X}", (unsigned)point);
	else {
		memcpy(piece, s, len);
		piece[len] = '\0';
	}
	return len;
}

char *
vm_log_escape(const char *text, char *out, size_t size)
{
	const unsigned char *s = (const unsigned char *)text;
	char piece[16];
	size_t used = 0, len;

	while (*s != '\0') {
		s += escape_one(s, piece);
		len = strlen(piece);
		if (used + len >= size)
			break;
		memcpy(out + used, piece, len);
		used += len;
	}
	out[used] = '\0';
	return out;
}

static void
emit(const char *text)
{
	char line[4096], safe[3800];
	int n;

	vm_log_escape(text, safe, sizeof(safe));
	n = snprintf(line, sizeof(line), "%s: %s\n", log_name, safe);
	if (n <= 0)
		return;
	if ((size_t)n >= sizeof(line))
		n = sizeof(line) - 1;
	vm_progress_clear();
	/* Nowhere is left to say that stderr cannot be written. */
	if (write(STDERR_FILENO, line, (size_t)n) == -1)
		return;
}

void
vm_log(enum vm_log_level level, const char *format, ...)
{
	char text[2048];
	va_list ap;

	if (level > log_level)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	emit(text);
}

void
vm_log_failure(const struct vm_error *err)
{
	if (err->hint[0] != '\0')
		vm_log(VM_LOG_ERROR, "%s; run: %s", err->message, err->hint);
	else
		vm_log(VM_LOG_ERROR, "%s", err->message);
}
