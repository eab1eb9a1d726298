/*
 * spool.h - the way of formats that only qemu-img reads.
 *
 * The file is kept as it is until all of it is there and its digest is right;
 * then our own reader looks at the whole of it (inspect.h), and only then does
 * qemu-img, in its sandbox, turn it into the master.
 */
#ifndef VM_IMAGE_SPOOL_H
#define VM_IMAGE_SPOOL_H

#include "lib/image/build.h"

/*
 * Spool, check and convert a file that QEMU's driver `driver` ("qcow2", "vmdk",
 * "vpc" ...) reads: sets build->chunks, inspect and ended, fills build->disk.
 * Errors as vm_stream_finish(), vm_inspect_file(), vm_img_convert_raw(), and
 * VM_E_IO "no_space" before anything is converted.
 */
int vm_spool_convert(struct vm_build *build, const char *driver,
    struct vm_error *err) VM_MUST_CHECK;

#endif
