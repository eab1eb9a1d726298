/*
 * words.h - the last words of a VM: the ends of its logs, fit for a message.
 *
 * Logs hold what the guest wrote.  Terminal sequences are taken out, what else
 * is not printable is escaped, so that the text is one line of UTF-8.
 */
#ifndef VM_HOST_WORDS_H
#define VM_HOST_WORDS_H

#include <stddef.h>

/*
 * The last `lines` non-empty lines of dir_fd/file, "one | two | three", cut to
 * fit out; "" when there is nothing.  Returns out.
 */
char *vm_words_read(int dir_fd, const char *file, size_t lines, char *out,
    size_t size);

#endif
