/*
 * nomem.c - memory runs out at the Nth allocation, for LD_PRELOAD.
 *
 * Counted are malloc(), calloc(), realloc() and what the C library makes of
 * them in strdup() and the like, when the program itself calls them; libraries
 * get what they ask for.  NOMEM_AT=N fails the Nth, NOMEM_AT=N+ that and all
 * that follow; NOMEM_COUNT=FILE gets the number of all at the end.
 */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static uintptr_t text_begin, text_end; /* the program's */
static unsigned long fail_at;
static bool for_ever;
static atomic_ulong counted;

static int
find_text(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size, (void)arg;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];

		if (segment->p_type != PT_LOAD ||
		    (segment->p_flags & PF_X) == 0)
			continue;
		text_begin = info->dlpi_addr + segment->p_vaddr;
		text_end = text_begin + segment->p_memsz;
	}
	return 1; /* the first one is the program */
}

__attribute__((constructor)) static void
begin(void)
{
	const char *at = getenv("NOMEM_AT");

	dl_iterate_phdr(find_text, NULL);
	if (at == NULL)
		return;
	fail_at = strtoul(at, NULL, 10);
	for_ever = strchr(at, '+') != NULL;
}

__attribute__((destructor)) static void
end(void)
{
	const char *name = getenv("NOMEM_COUNT");
	FILE *file = name == NULL ? NULL : fopen(name, "w");

	if (file == NULL)
		return;
	fprintf(file, "%lu\n", atomic_load(&counted));
	fclose(file);
}

static bool
is_refused(const void *caller)
{
	uintptr_t from = (uintptr_t)caller;
	unsigned long n;

	if (from < text_begin || from >= text_end)
		return false;
	n = atomic_fetch_add(&counted, 1) + 1;
	if (fail_at == 0 || n < fail_at || (n > fail_at && !for_ever))
		return false;
	errno = ENOMEM;
	return true;
}

void *
malloc(size_t size)
{
	return is_refused(__builtin_return_address(0)) ? NULL :
							 __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
	return is_refused(__builtin_return_address(0)) ?
	    NULL :
	    __libc_calloc(count, size);
}

void *
realloc(void *old, size_t size)
{
	return is_refused(__builtin_return_address(0)) ?
	    NULL :
	    __libc_realloc(old, size);
}

char *
strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = is_refused(__builtin_return_address(0)) ?
	    NULL :
	    __libc_malloc(size);

	return copy == NULL ? NULL : memcpy(copy, text, size);
}
