/*
 * ssh_url.h - ssh://[USER@]HOST[:PORT]/PATH taken apart, and made into the
 * arguments of ssh(1); private to ssh.c.
 */
#ifndef VM_SOURCE_SSH_URL_H
#define VM_SOURCE_SSH_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/clean.h"
#include "lib/base/error.h"

struct vm_ssh_url {
	char user[64]; /* "": as ssh's configuration has it */
	char host[256];
	char port[6]; /* "": the same */
	char *path;   /* decoded; relative ones are below the home directory */
};

/* VM_E_USAGE "bad_url"; then *url is empty. */
int vm_ssh_url_parse(const char *text, struct vm_ssh_url *url,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * The command for the other side: it prints the file's length on a line of its
 * own, then its bytes from `offset` on, and exits 66 (absent), 65 (no regular
 * file) or 77 (may not be read).  The caller's.
 */
char *vm_ssh_url_command(const struct vm_ssh_url *url, uint64_t offset,
    struct vm_error *err) VM_MUST_CHECK;

void vm_ssh_url_release(struct vm_ssh_url *url);
#define VM_CLEAN_SSH_URL VM_CLEAN(vm_ssh_url_release)

#endif
