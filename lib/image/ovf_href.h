/*
 * ovf_href.h - an OVF's reference to a file, which has to be beside it.
 */
#ifndef VM_IMAGE_OVF_HREF_H
#define VM_IMAGE_OVF_HREF_H

#include "lib/base/error.h"

/*
 * The relative path (RFC 3986, %XX decoded) that href stands for: the caller's.
 * VM_E_DATA "bad_href" when it has a scheme, is absolute, leads up, or holds
 * what cannot be shown as it is.
 */
char *vm_ovf_href(const char *href, struct vm_error *err) VM_MUST_CHECK;

#endif
