# The variants: the same rules and tests with other flags, in build/VARIANT.

ifeq ($(VARIANT),asan)
VARIANT_CFLAGS  := -O1 -fno-omit-frame-pointer -U_FORTIFY_SOURCE \
	-fsanitize=address,undefined -fno-sanitize-recover=undefined
VARIANT_LDFLAGS := -fsanitize=address,undefined
endif
ifeq ($(VARIANT),cov)
VARIANT_CFLAGS  := -O0 -U_FORTIFY_SOURCE --coverage
VARIANT_LDFLAGS := --coverage
endif

.PHONY: asan cov
asan:
	+$(MAKE) VARIANT=asan check-fast
cov:
	+$(MAKE) VARIANT=cov check-fast
	+$(MAKE) VARIANT=cov cov-report

.PHONY: cov-report
cov-report:
	@cd $B && for o in $(lib_obj:$B/%=%); do gcov -n -o "$$o" "$$o"; done \
	    2>/dev/null | awk -F"[':%]" '/^File .lib\// { f = $$2 } \
	    /^Lines/ && f { printf "%6.1f%%  %s\n", $$3, f; f = "" }' | sort -n
