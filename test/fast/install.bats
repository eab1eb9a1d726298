# make install: every command, page and completion, and nothing else.

load ../lib/common

@test "install puts commands, pages and completions under PREFIX" {
	shopt -s nullglob
	make -s -C "$top" install DESTDIR="$PWD/root" PREFIX=/usr >/dev/null
	for prog in "$VMPIPE_BUILD"/bin/*; do
		name=${prog##*/}
		cmp "$prog" "root/usr/bin/$name"
		bash -c '. "$1" && complete -p "$2"' bash \
		    "root/usr/share/bash-completion/completions/$name" "$name"
	done
	for page in "$top"/man/*; do
		cmp "$page" "root/usr/share/man/man${page##*.}/${page##*/}"
	done
	[ "$(find root -type f | wc -l)" = "$(find "$VMPIPE_BUILD/bin" \
	    "$VMPIPE_BUILD/completions" "$top/man" -type f | wc -l)" ]
}

@test "a completion offers the options and then files" {
	mkdir -p bin
	printf '#!/bin/sh\nprintf -- "-n\\t--dry-run\\t\\tx\\n\\t--root\\tDIR\\ty\\n"\n' >bin/vmx
	chmod +x bin/vmx
	"$top/tools/gen-completions" bin/vmx >comp
	touch some-file
	complete_it() {
		# shellcheck source=/dev/null
		. ./comp
		COMP_WORDS=(vmx "$@") COMP_CWORD=$#
		_vmx
		printf '%s\n' "${COMPREPLY[@]}"
	}
	run complete_it --
	[ "$output" = $'--dry-run\n--root' ]
	run complete_it --root some
	[ "$output" = some-file ]
}
