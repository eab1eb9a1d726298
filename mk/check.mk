# Tests.  check-fast: unit tests and test/fast, no VM, in seconds.
# check: those, test/slow (no VM, minutes) and test/vm, the latter one after
# another on real guests.

# The longest first, so that none is left for the end.
bats_fast := $(shell ls -S test/fast/*.bats)
bats_slow := $(sort $(wildcard test/slow/*.bats))
bats_vm   := $(sort $(wildcard test/vm/*.bats))
test_env  = PATH=$(CURDIR)/$B/bin:$$PATH VMPIPE_BUILD=$(CURDIR)/$B \
	BATS_LIB_PATH=$(CURDIR)/test/lib

.PHONY: check check-all check-fast
check: DEPS := check
check: deps
	+@$(MAKE) --no-print-directory check-all

check-fast: all tests
	@$(test_env) test/run --jobs 3 $(unit) $(bats_fast)

check-all: all tests guests
	@$(test_env) test/run --jobs 2 $(unit) $(bats_fast) $(bats_slow) \
	    --jobs 1 $(bats_vm)

# Programs that compare a module with somebody else's, for bats files.
differs := $(patsubst test/differ/%.c,$B/test/differ/%, \
	$(wildcard test/differ/*.c))
tests: $(differs)

$B/test/differ/%: $B/test/differ/%.o $(lib) $B/flags
	@mkdir -p $(@D)
	@echo '  LD   $@'
	@$(CC) $(cflags) $(ldflags) -o $@ $< $(lib) $(module_libs)

-include $(differs:=.d)
