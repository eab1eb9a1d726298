/*
 * analyze.h - what the analysers cannot see from one file: that the functions
 * which record a failure always return -1.  Included before every source but
 * error.c by `make lint' only.
 */
#include "lib/base/error.h"

#define VM_ALWAYS_FAILS(call) __extension__({ (void)(call); -1; })
#define vm_error_set(...) VM_ALWAYS_FAILS(vm_error_set(__VA_ARGS__))
#define vm_error_errno(...) VM_ALWAYS_FAILS(vm_error_errno(__VA_ARGS__))
#define vm_error_nomem(...) VM_ALWAYS_FAILS(vm_error_nomem(__VA_ARGS__))
#define vm_error_wrap(...) VM_ALWAYS_FAILS(vm_error_wrap(__VA_ARGS__))
#define vm_error_hint(...) VM_ALWAYS_FAILS(vm_error_hint(__VA_ARGS__))
