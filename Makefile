# vmpipe - make: builds everything; make demo: shows it; make check: tests it.
#
# GNU make.  Everything that is made goes under build/; the variants asan, cov
# and fuzz are these same rules in build/asan and so on (make VARIANT=asan).
# Sources are found by wildcard: lib/*/*.c goes to one archive, cmd/X.c to
# build/bin/X, lib/*/X_test.c to a test program beside it.

VERSION := 0.1.0
PREFIX  ?= /usr/local
DESTDIR ?=
WERROR  ?= -Werror
VARIANT ?=
B       := build$(addprefix /,$(VARIANT))

SHELL       := /bin/bash
.SHELLFLAGS := -o pipefail -ec
MAKEFLAGS   += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

CC       ?= cc
ifeq ($(origin CC),default)
CC       := gcc
endif
CPPFLAGS ?=
CFLAGS   ?= -O2 -g
LDFLAGS  ?=

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition -Wvla -Wformat=2 -Wwrite-strings \
	-Wpointer-arith -Wundef -Wcast-qual -Wimplicit-fallthrough \
	-Wnull-dereference -Wmissing-include-dirs $(WERROR)
HARDEN := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong \
	-fstack-clash-protection -fPIE
HARDEN_LD := -pie -Wl,-z,relro,-z,now,-z,noexecstack

cppflags = -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 \
	-DVM_VERSION='"$(VERSION)"' $(CPPFLAGS)
cflags   = -std=gnu17 $(WARN) $(HARDEN) -fno-common -ffunction-sections \
	-fdata-sections $(CFLAGS) $(VARIANT_CFLAGS)
ldflags  = $(HARDEN_LD) -Wl,--as-needed -Wl,--gc-sections -pthread \
	$(LDFLAGS) $(VARIANT_LDFLAGS)

lib_src  := $(sort $(filter-out %_test.c,$(wildcard lib/*/*.c)))
test_src := $(sort $(wildcard lib/*/*_test.c))
cmd_src  := $(sort $(wildcard cmd/*.c))
lib_obj  := $(lib_src:%.c=$B/%.o)
lib      := $B/lib/libvmpipe.a
bins     := $(cmd_src:cmd/%.c=$B/bin/%)
unit     := $(test_src:lib/%.c=$B/test/%)
man      := $(sort $(wildcard man/*.[1578]))

include $(wildcard mk/*.mk)

.PHONY: all tests guests deps clean install FORCE
all: $(lib) $(bins) completions
tests: $(unit)
guests:

# Packages first, in a make of its own: the libraries' flags are asked of
# pkg-config when a recipe needs them, which is after tools/deps has run.
deps:
	@tools/deps $(DEPS)

# --- compile, archive, link ---------------------------------------------------

$B/%.o: %.c $B/flags
	@mkdir -p $(@D)
	@echo '  CC   $<'
	@$(CC) $(cppflags) $(call module_cflags,$<) $(cflags) -MMD -MP -c -o $@ $<

$(lib): $(lib_obj) $B/members
	@mkdir -p $(@D)
	@rm -f $@
	@$(AR) qcs $@ $(lib_obj)

$B/bin/%: $B/cmd/%.o $(lib) $B/flags
	@mkdir -p $(@D)
	@echo '  LD   $@'
	@$(CC) $(cflags) $(ldflags) -o $@ $< $(lib) $(module_libs)

$B/test/%: $B/lib/%.o $(lib) $B/flags
	@mkdir -p $(@D)
	@echo '  LD   $@'
	@$(CC) $(cflags) $(ldflags) -o $@ $< $(lib) $(module_libs) -lcmocka

# Stamps: rewritten only when what they hold has changed.
stamp = mkdir -p $(@D); printf '%s\n' $(1) | cmp -s - $@ || \
	printf '%s\n' $(1) >$@
$B/flags: FORCE
	@$(call stamp,'$(subst ','\'',$(CC) $(cppflags) $(cflags) $(ldflags))')
$B/members: FORCE
	@$(call stamp,$(lib_obj))

-include $(lib_obj:.o=.d) $(cmd_src:%.c=$B/%.d) $(test_src:%.c=$B/%.d)
.SECONDARY:

# --- install, clean -----------------------------------------------------------

install: all
	install -d $(DESTDIR)$(PREFIX)/bin
	$(if $(bins),install -m 0755 $(bins) $(DESTDIR)$(PREFIX)/bin)
	for m in $(man); do install -D -m 0644 "$$m" \
	    "$(DESTDIR)$(PREFIX)/share/man/man$${m##*.}/$${m##*/}"; done
	$(install-completions)

clean:
	rm -rf build/asan build/tsan build/cov build/fuzz build/bin build/lib build/cmd \
	    build/test build/lint build/completions build/flags build/members
