# Lints.  Slow ones leave a stamp per source file, so that only what has
# changed is looked at again; an object file stands for its source and headers.

lint_c    := $(lib_src) $(cmd_src)
lint_all  := $(lint_c) $(test_src) $(wildcard lib/*/*.h test/*/*.c)
lint_sh   := $(sort $(wildcard .ci/run test/*/*.bats test/fuzz/seeds test/lib/*.bash bench/*.sh \
	tools/guests/*.bash) \
	$(shell grep -rlE '^\#!/bin/(busybox )?(ba)?sh' tools))
compile    = $(cppflags) $(call module_cflags,$<) -std=gnu17 \
	$(if $(filter lib/base/error.c,$<),,-include tools/lint/analyze.h)
lint_stamp = $(addprefix $B/lint/$(1)/,$(addsuffix .ok,$(2)))
lint_rules := rooms adapters sizes banned tests

.PHONY: lint lint-all lint-format lint-tidy lint-cppcheck lint-analyzer \
	lint-shell lint-man lint-externs lint-usage $(lint_rules:%=lint-%)
lint: DEPS := lint
lint: deps
	+@$(MAKE) --no-print-directory lint-all
lint-all: lint-format $(lint_rules:%=lint-%) lint-shell lint-man lint-externs \
	lint-usage lint-cppcheck lint-analyzer lint-tidy
	@echo 'lint: clean'

lint-format:   $(call lint_stamp,format,$(lint_all))
lint-tidy:     $(call lint_stamp,tidy,$(lint_c))
lint-cppcheck: $(call lint_stamp,cppcheck,$(lint_c))
lint-analyzer: $(call lint_stamp,analyzer,$(lint_c))
lint-shell:    $(call lint_stamp,shell,$(lint_sh))
lint-man:      $(call lint_stamp,man,$(man))

# What gcc 12 cannot follow: pointers and members stored through an array or by
# a callee; clang-tidy and ASan look for the same.
gcc_mistakes := -Wno-analyzer-malloc-leak \
	-Wno-analyzer-use-of-uninitialized-value

checked = @mkdir -p $(@D); echo '  $(1) $<'; $(2) && touch $@

$B/lint/format/%.ok: % .clang-format
	$(call checked,FMT ,tools/lint/format $<)
$B/lint/tidy/%.c.ok: %.c $B/%.o .clang-tidy tools/lint/analyze.h
	$(call checked,TIDY,clang-tidy --quiet $< -- $(compile) 2>/dev/null)
$B/lint/cppcheck/%.c.ok: %.c $B/%.o tools/lint/cppcheck.supp
	$(call checked,CPPC,cppcheck --quiet --std=c11 --inline-suppr \
	    --enable=warning$(,)performance$(,)portability --error-exitcode=1 \
	    --suppressions-list=tools/lint/cppcheck.supp -I. -D_GNU_SOURCE \
	    -DVM_VERSION='""' $<)
$B/lint/analyzer/%.c.ok: %.c $B/%.o tools/lint/analyze.h
	$(call checked,ANLZ,$(CC) $(compile) $(CFLAGS) -fanalyzer \
	    $(gcc_mistakes) -Werror -c -o /dev/null $<)
$B/lint/shell/%.ok: %
	$(call checked,SH  ,shellcheck -x $(if $(filter %.bats,$<),$(not_bats)) $<)
# In bats files: helpers set and read variables of the cases; each case is a
# subshell of its own; scripts are printed with their dollars.
not_bats = -e SC2154$(,)SC2034$(,)SC2030$(,)SC2031$(,)SC2016
$B/lint/man/%.ok: % $(man)
	$(call checked,MAN ,tools/lint/man $<)

$(lint_rules:%=lint-%): lint-%:
	@tools/lint/$*
lint-externs: $(lib) $(bins) tests
	@tools/lint/externs $B
lint-usage: all
	@tools/lint/usage $B
	@tools/lint/examples $B

, := ,
