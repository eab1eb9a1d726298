/* accel_guest.c - see accel_guest.h. */
#include "lib/qemu/accel_guest.h"

#include <sys/mman.h>

#include <errno.h>

#include "lib/base/clean.h"
#include "lib/base/fd.h"

#define DISK_SIZE ((off_t)1 << 20)

/* Assembled for 0x7c00, where the BIOS puts it. */
static const char code[] =
    /* cli; ds, es, ss = 0; sp = 0x7c00 */
    "\xfa\x31\xc0\x8e\xd8\x8e\xc0\x8e\xd0\xbc\x00\x7c"
    /* cr3 = edi = 0x1000 */
    "\x66\xbf\x00\x10\x00\x00\x0f\x22\xdf"
    /* clear 0x1000..0x5000 */
    "\x66\x31\xc0\xb9\x00\x10\xfc\x66\xf3\xab"
    /* page tables: the first 2 MiB, as they are */
    "\xc7\x06\x00\x10\x03\x20\xc7\x06\x00\x20\x03\x30\xc6\x06"
    "\x00\x30\x83"
    /* IDT at 0x4000: #UD goes to ud */
    "\x66\xb8\x92\x7c\x00\x00\xa3\x60\x40\xc7\x06\x62\x40\x08"
    "\x00\xc7\x06\x64\x40\x00\x8e"
    /* cr4: PAE, OSFXSR */
    "\x0f\x20\xe0\x0d\x20\x02\x0f\x22\xe0"
    /* EFER: LME */
    "\x66\xb9\x80\x00\x00\xc0\x0f\x32\x80\xcc\x01\x0f\x30"
    /* lgdt, lidt */
    "\x66\x0f\x01\x16\x96\x7c\x66\x0f\x01\x1e\x9c\x7c"
    /* cr0: PG, PE */
    "\x0f\x20\xc0\x66\x0d\x01\x00\x00\x80\x0f\x22\xc0"
    /* far jump into long mode */
    "\xea\x78\x7c\x08\x00"
    /* ecx = 2^26; 1: dec ecx; jnz 1b */
    "\xb9\x00\x00\x00\x04\xff\xc9\x75\xfc"
    /* rax = 0x31, by way of xmm0 */
    "\xb1\x31\x66\x48\x0f\x6e\xc1\x66\x48\x0f\x7e\xc0"
    /* ud2 */
    "\x0f\x0b"
    /* 2: hlt; jmp 2b */
    "\xf4\xeb\xfd"
    /* ud: out 0xf4, al; jmp 2b */
    "\xe6\xf4\xeb\xf9"
    /* GDT and IDT pointers */
    "\x0f\x00\xa8\x7c\x00\x00\x6f\x00\x00\x40\x00\x00"
    /* padding; GDT: none, 64-bit code */
    "\x66\x0f\x1f\x44\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
    "\x00\x00\x00\x00\x00\x9a\x20\x00";

int
vm_accel_guest_create(struct vm_error *err)
{
	static const unsigned char signature[] = { 0x55, 0xaa };
	VM_CLEAN_FD int fd = memfd_create("vmpipe-accel", MFD_CLOEXEC);

	if (fd == -1)
		return vm_error_errno(err, errno, "memfd_create");
	if (ftruncate(fd, DISK_SIZE) == -1)
		return vm_error_errno(err, errno, "test guest");
	if (vm_fd_pwrite(fd, code, sizeof(code) - 1, 0, "test guest", err) ==
		-1 ||
	    vm_fd_pwrite(fd, signature, sizeof(signature), 510, "test guest",
		err) == -1)
		return -1;
	return VM_TAKE_FD(fd);
}
