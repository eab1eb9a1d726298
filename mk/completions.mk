# Shell completions, from each command's own option table.

completions := $(cmd_src:cmd/%.c=$B/completions/%)

.PHONY: completions
completions: $(completions)

$B/completions/%: $B/bin/% tools/gen-completions
	@mkdir -p $(@D)
	@tools/gen-completions $< >$@

define install-completions
	for c in $(completions); do install -D -m 0644 "$$c" \
	    "$(DESTDIR)$(PREFIX)/share/bash-completion/completions/$${c##*/}"; done
endef
