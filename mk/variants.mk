# The variants: the same rules and tests with other flags, in build/VARIANT.

ifeq ($(VARIANT),asan)
VARIANT_CFLAGS  := -O1 -fno-omit-frame-pointer -U_FORTIFY_SOURCE \
	-fsanitize=address,undefined -fno-sanitize-recover=undefined
VARIANT_LDFLAGS := -fsanitize=address,undefined
endif
ifeq ($(VARIANT),tsan)
VARIANT_CFLAGS  := -O1 -U_FORTIFY_SOURCE -fsanitize=thread
VARIANT_LDFLAGS := -fsanitize=thread
endif
ifeq ($(VARIANT),cov)
VARIANT_CFLAGS  := -O0 -U_FORTIFY_SOURCE --coverage
VARIANT_LDFLAGS := --coverage
endif
ifeq ($(VARIANT),fuzz)
CC     := clang
WERROR :=
VARIANT_CFLAGS  := -O1 -U_FORTIFY_SOURCE -w \
	-fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=undefined
VARIANT_LDFLAGS := -fsanitize=address,undefined
endif

.PHONY: asan tsan cov
asan tsan:
	+$(MAKE) VARIANT=$@ check-fast
cov:
	+$(MAKE) VARIANT=cov check-fast
	+$(MAKE) VARIANT=cov cov-report

.PHONY: cov-report
cov-report:
	@cd $B && for o in $(lib_obj:$B/%=%); do gcov -n -o "$$o" "$$o"; done \
	    2>/dev/null | awk -F"[':%]" '/^File .lib.*\.c/ { f = $$2 } \
	    /^Lines/ && f { printf "%6.1f%%  %s\n", $$2, f; f = "" }' | sort -n

# make fuzz: each parser for FUZZ_SECONDS on hostile bytes; what is found stays
# under build/fuzz/corpus, so that the next run goes on from there.
FUZZ_SECONDS ?= 60
fuzzers := $(patsubst test/fuzz/%.c,$B/fuzz/%,$(wildcard test/fuzz/*.c))

$B/fuzz/%: $B/test/fuzz/%.o $(lib) $B/flags
	@mkdir -p $(@D)
	@echo '  LD   $@'
	@$(CC) $(cflags) $(ldflags) -fsanitize=fuzzer -o $@ $< $(lib) \
	    $(module_libs)

.PHONY: fuzz fuzz-run
fuzz: DEPS := fuzz
fuzz: deps
	+@$(MAKE) VARIANT=fuzz fuzz-run
fuzz-run: $(fuzzers)
	@for f in $(fuzzers); do \
	    corpus=$B/corpus/$${f##*/}; mkdir -p "$$corpus"; \
	    echo "  FUZZ $$f"; test/fuzz/seeds "$${f##*/}" "$$corpus"; \
	    "$$f" -max_total_time=$(FUZZ_SECONDS) -timeout=5 -rss_limit_mb=512 \
	        -print_final_stats=0 -verbosity=0 -artifact_prefix=$B/ \
	        -max_len=131072 "$$corpus"; done
