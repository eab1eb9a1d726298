/*
 * console.h - a VM's serial console: attached to, or its log read.
 *
 * The console is a socket that QEMU serves to one client at a time, and it
 * writes all that the guest says to console.log as well.  console.lock, held by
 * the client, tells a second one so instead of leaving it in silence.
 */
#ifndef VM_HOST_CONSOLE_H
#define VM_HOST_CONSOLE_H

#include <stdbool.h>

#include "lib/base/error.h"
#include "lib/store/store.h"

#define VM_CONSOLE_ESCAPE '\035' /* ctrl-] as in telnet(1) */

/*
 * Terminal and console become one until ctrl-] is typed (0), the VM ends or a
 * signal comes.  When stdin is no terminal its bytes are sent as they are, and
 * after its end the console is only shown.  VM_E_UNAVAILABLE "not_running",
 * VM_E_TRY_AGAIN "console_in_use".
 */
int vm_console_attach(struct vm_store *store, const char *name,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Copy console.log to stdout; with `follow` go on until the VM ends.  On a
 * terminal what could drive it is shown escaped.
 */
int vm_console_print_log(struct vm_store *store, const char *name, bool follow,
    struct vm_error *err) VM_MUST_CHECK;

#endif
