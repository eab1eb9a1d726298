/*
 * pin.h - images that stay although nothing stands on them.
 *
 * images/<id>/keep holds {"pinned":true,"lease":{"granted","seconds"}}; there
 * is none when neither is so.  A lease ends so many seconds after it was
 * granted, by a clock that is believed only as use.h says.
 */
#ifndef VM_STORE_PIN_H
#define VM_STORE_PIN_H

#include "lib/store/use.h"

struct vm_pin {
	bool pinned;
	int64_t granted_s; /* when the lease was */
	uint64_t lease_s;  /* for so long; 0: no lease */
};

/* Nothing is noted: all-zero.  VM_E_DATA "pin_damaged" counts as pinned. */
int vm_pin_read(int image_fd, struct vm_pin *pin, struct vm_error *err)
    VM_MUST_CHECK;

/* Has it a lease that has not ended? */
bool vm_pin_is_leased(const struct vm_pin *pin,
    const struct vm_use_clock *clock);

/* What is to change. */
struct vm_pin_change {
	bool pin;   /* stays until it is unpinned */
	bool unpin; /* the pin and the lease go */
	bool lease; /* a new one, in place of an older one */
	uint64_t lease_ms;
};

/*
 * Change it, durably; unpinning needs no space.  VM_E_NO_INPUT
 * "image_not_found", VM_E_TRY_AGAIN "changed" when vmgc is just taking it away.
 */
int vm_pin_change(struct vm_store *store, const char *id,
    const struct vm_pin_change *change, struct vm_error *err) VM_MUST_CHECK;

#endif
