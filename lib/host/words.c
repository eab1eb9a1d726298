/* words.c - see words.h. */
#include "lib/host/words.h"

#include <sys/stat.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/clean.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"

#define TAIL 8192
#define LINE 240

/* The length of the terminal sequence at text (ECMA-48), or 0. */
static size_t
skip_sequence(const char *text)
{
	size_t i = 2;

	if (text[0] != '\033')
		return 0;
	if (text[1] != '[')
		return text[1] == '\0' ? 1 : 2;
	while (text[i] >= 0x20 && text[i] < 0x40)
		i++;
	return text[i] == '\0' ? i : i + 1;
}

/* Copy a line without sequences, carriage returns and NULs, then escape it. */
static void
clean_line(const char *line, size_t len, char out[LINE])
{
	char plain[LINE] = "";
	size_t n = 0, i = 0, skip;

	while (i < len && n < sizeof(plain) - 1) {
		if ((skip = skip_sequence(line + i)) > 0)
			i += skip;
		else if (line[i] == '\r' || line[i] == '\0')
			i++;
		else
			plain[n++] = line[i++];
	}
	while (n > 0 && plain[n - 1] == ' ')
		n--;
	plain[n] = '\0';
	vm_log_escape(plain, out, LINE);
}

/* The start of the n-th non-empty line from the end. */
static size_t
find_start(const char *text, size_t len, size_t lines)
{
	bool has_text = false;

	while (len > 0) {
		if (text[len - 1] != '\n') {
			has_text = has_text || text[len - 1] > ' ';
		} else if (has_text) {
			has_text = false;
			if (--lines == 0)
				return len;
		}
		len--;
	}
	return 0;
}

static size_t
read_tail(int dir_fd, const char *file, char tail[TAIL + 1])
{
	VM_CLEAN_FD int fd = vm_fd_open_regular(dir_fd, file, NULL);
	struct stat st;
	size_t got = 0;

	if (fd == -1 || fstat(fd, &st) == -1 ||
	    vm_fd_pread(fd, tail, TAIL,
		st.st_size > TAIL ? (uint64_t)(st.st_size - TAIL) : 0, &got,
		file, NULL) == -1)
		return 0;
	tail[got] = '\0';
	return got;
}

char *
vm_words_read(int dir_fd, const char *file, size_t lines, char *out,
    size_t size)
{
	char tail[TAIL + 1], line[LINE];
	size_t len = read_tail(dir_fd, file, tail), at, end, used = 0;

	*out = '\0';
	for (at = find_start(tail, len, lines); at < len; at = end + 1) {
		const char *stop = memchr(tail + at, '\n', len - at);

		end = stop == NULL ? len : (size_t)(stop - tail);
		clean_line(tail + at, end - at, line);
		if (*line == '\0' || used + 3 + strlen(line) >= size)
			continue;
		used += (size_t)snprintf(out + used, size - used, "%s%s",
		    used > 0 ? " | " : "", line);
	}
	return out;
}
