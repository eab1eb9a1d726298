/*
 * accel_guest.h - the smallest guest that proves an accelerator.
 *
 * A boot sector for SeaBIOS.  From real mode it builds page tables, switches
 * to long mode with SSE on, counts 2^26 down (a processor: some 30 ms; an
 * accelerator that in truth interprets: minutes), moves a number through an
 * SSE register and takes an invalid-opcode exception through its own IDT.  Only
 * the handler writes that number to the isa-debug-exit port, which ends QEMU
 * with VM_ACCEL_GUEST_STATUS.  Source: Intel SDM volume 3, 9.8.5 "Initializing
 * IA-32e Mode"; QEMU hw/misc/debugexit.c.
 */
#ifndef VM_QEMU_ACCEL_GUEST_H
#define VM_QEMU_ACCEL_GUEST_H

#include "lib/base/error.h"

#define VM_ACCEL_GUEST_DEVICE "isa-debug-exit,iobase=0xf4,iosize=1"
#define VM_ACCEL_GUEST_STATUS 99 /* (0x31 << 1) | 1 */

/* A nameless file with the disk image (1 MiB, raw): its descriptor. */
int vm_accel_guest_create(struct vm_error *err) VM_MUST_CHECK;

#endif
