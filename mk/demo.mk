# The demonstration: packages, programs, a guest, and the pipe on it.

.PHONY: demo demo-run demo-clean
demo: DEPS := demo
demo: deps
	+@$(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),, \
	    -j$(shell nproc)) demo-run

demo-run: all build/guests/debian.qcow2
	@tools/demo run

demo-clean:
	@tools/demo clean
