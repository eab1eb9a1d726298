# Benchmarks: ours and the peer in the same run, as a ratio against the target.

.PHONY: bench bench-all
bench: DEPS := bench
bench: deps
	+@$(MAKE) --no-print-directory bench-all
bench-all: all
	@for b in $(sort $(wildcard bench/*.sh)); do $(test_env) "$$b"; done
