/* proc_become.c - see proc.h: another program in our place. */
#include "lib/base/proc.h"

#include <errno.h>
#include <unistd.h>

int
vm_proc_become(const char *const *argv, struct vm_error *err)
{
	/* Handlers do not survive an exec; what is ignored would stay so. */
	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	if (errno == ENOENT)
		return vm_error_set(err, VM_E_UNAVAILABLE, "no_program",
		    "%s: program not found", argv[0]);
	return vm_error_errno(err, errno, "%s: cannot be run", argv[0]);
}
