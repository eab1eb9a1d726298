# The guests of the tests and the demonstration, shared by all variants.  Each
# is made again when its recipe changes in content, not in date.

guests := build/guests/debian.qcow2 build/guests/tiny.qcow2
recipe = tools/mkguest $(sort $(shell find tools/guests/$(1)* -type f))

guests: $(guests)

build/guests/%.recipe: FORCE
	@$(call stamp,"$$(sha256sum $(call recipe,$*))")

build/guests/%.qcow2: build/guests/%.recipe
	@tools/mkguest $* $@
