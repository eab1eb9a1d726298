# Each lint of ours is seen to fail on a scratch tree with the mistake in it,
# and to pass without.

load ../lib/common

setup()
{
	fresh
	mkdir -p lib/base lib/image lib/clone lib/adapt cmd test/fast
}

# lint NAME FILE SUBSTRING: the lint passes without FILE, fails with it (its
# text comes from stdin), and says SUBSTRING about it.
lint()
{
	status_is 0 "$top/tools/lint/$1"
	cat >"$2"
	status_is 1 "$top/tools/lint/$1"
	out_has "$2"
	out_has "$3"
}

@test "rooms: a duty room that includes another" {
	echo '#include "lib/image/x.h"' >lib/image/y.c
	lint rooms lib/clone/x.c 'clone includes room image' <<-'END'
		#include "lib/image/image.h"
	END
}

@test "rooms: a path that does not start at the top" {
	lint rooms lib/clone/x.c 'whole path' <<<'#include "x.h"'
}

@test "adapters: a third-party header outside of lib/adapt" {
	echo '#include <sys/stat.h>' >lib/base/fd.c
	lint adapters lib/base/x.c yaml.h <<<'#include <yaml.h>'
}

@test "adapters: a third-party header in two modules" {
	echo '#include <curl/curl.h>' | tee lib/adapt/curl.c >lib/adapt/curl_x.c
	lint adapters lib/adapt/http.c 'belongs to module curl' <<-'END'
		#include <curl/multi.h>
	END
}

@test "sizes: a long function" {
	lint sizes lib/base/x.c 'f has 84 lines' < <(
	    printf 'int\nf(void)\n{\n'; printf '\tx();\n%.0s' {1..81}; echo '}')
}

@test "sizes: a long file, a long main, a long line" {
	lint sizes lib/base/x.c '501 lines' < <(printf '\n%.0s' {1..501})
	rm lib/base/x.c
	lint sizes cmd/vmx.c 'main has 21 lines' < <(
	    printf 'int\nmain(void)\n{\n'; printf '\tx();\n%.0s' {1..18}; echo '}')
	rm cmd/vmx.c
	lint sizes lib/base/x.h 'wider' < <(printf '\t%073d\n' 0)
}

@test "banned: a function without a bound, but not in comments" {
	echo '/* strcpy(a, b) */ const char *s = "strcpy(a)";' >lib/base/y.c
	lint banned lib/base/x.c 'strcpy()' <<<$'\n\tstrcpy(a, b);'
	out_has 'lib/base/x.c:2:'
}

@test "banned: printing and exiting in the library, but not in cmd" {
	echo 'int main(void) { printf("x"); }' >cmd/vmx.c
	lint banned lib/base/x.c 'never prints' <<<'void f(void) { printf(""); }'
	rm lib/base/x.c
	lint banned lib/base/x.c 'ends a process' <<<'void f(void) { exit(1); }'
}

@test "banned: a durable write outside of publish" {
	mkdir lib/store
	echo 'void f(void) { fsync(3); }' >lib/store/durable.c
	lint banned lib/clone/x.c 'lib/store/publish' <<<'int x(void) { fsync(3); }'
}

@test "tests: a test that sleeps" {
	printf '%s\n' 'load ../lib/common' '@test "x" { true; }' >test/fast/a.bats
	lint tests test/fast/b.bats 'never sleeps' < <(
	    printf '%s\n' 'load ../lib/common' '@test "x" { s''leep 1; }')
}

@test "externs: a wrong prefix, a symbol that nobody uses" {
	requires gcc
	mkdir -p o/lib/base o/cmd
	touch lib/base/fd.c lib/base/str.c cmd/x.c
	gcc -xc -c -o o/lib/base/fd.o - <<<'int vm_fd_get(void) { return 0; }'
	gcc -xc -c -o o/cmd/x.o - <<-'END'
		int vm_fd_get(void); int f(void); int main(void)
		{ return vm_fd_get() + f(); }
	END
	status_is 0 "$top/tools/lint/externs" o
	gcc -xc -c -o o/lib/base/str.o - <<-'END'
		int f(void) { return 0; } int vm_str_x(void) { return 0; }
	END
	status_is 1 "$top/tools/lint/externs" o
	out_is 'lib/base/str.c: f: call it vm_str_... or make it static
lib/base/str.c: vm_str_x: nobody uses it: make it static or take it out'
}

# A command with options -n and --root, its page and its completion.
fake_command()
{
	mkdir -p b/bin b/completions man
	cat >b/bin/vmx <<-'END'
		#!/bin/sh
		case $1 in
		--dump-options) printf -- '-n\t--dry-run\t\tx\n\t--root\tDIR\ty\n' ;;
		--help) printf 'usage: vmx\n  -n, --dry-run  x\n      --root DIR  y\n' ;;
		esac
	END
	chmod +x b/bin/vmx
	"$top/tools/gen-completions" b/bin/vmx >b/completions/vmx
	cat >man/vmx.1 <<-'END'
		.Sh SYNOPSIS
		.Op Fl n
		.Sh DESCRIPTION
		.It Fl n , -dry-run
		.It Fl -root Ar dir
	END
}

@test "usage: the page, the help and the completion match the table" {
	fake_command
	status_is 0 "$top/tools/lint/usage" b
	sed -i 's/-dry-run/-dry/' man/vmx.1
	status_is 1 "$top/tools/lint/usage" b
	out_has 'man/vmx.1 lacks --dry-run'
	out_has 'man/vmx.1 invents --dry'
	fake_command
	sed -i 's/^.Op Fl n/.Op Fl nz/' man/vmx.1
	status_is 1 "$top/tools/lint/usage" b
	out_is 'vmx: SYNOPSIS of man/vmx.1 invents -z '
	fake_command
	sed -i 's/n, --dry-run  x/n, --dry-run  x\\n  -y  z/' b/bin/vmx
	status_is 1 "$top/tools/lint/usage" b
	out_has '--help invents -y'
	fake_command
	sed -i 's/ --root/ --roof/' b/completions/vmx
	status_is 1 "$top/tools/lint/usage" b
	out_has 'completion invents --roof'
}

@test "man: a page without a section, or that refers to none of ours" {
	requires mandoc
	mkdir man
	cp "$top/man/vmpipe.7" man/vmx.7
	sed -nE 's/^\.(It )?Xr (vm[a-z-]*) ([0-9]).*/man\/\2.\3/p' man/vmx.7 |
	    xargs touch
	status_is 0 "$top/tools/lint/man" man/vmx.7
	sed -i '/^\.Sh FILES/d; s/^\.Os/.Xr vmy 1\n&/' man/vmx.7
	status_is 1 "$top/tools/lint/man" man/vmx.7
	out_has 'man/vmx.7: no section FILES'
	out_has 'refers to vmy(1)'
	out_has 'man/vmx.7: mandoc: '
}

@test "format: indentation by spaces, but tab stops before comments" {
	requires clang-format
	cp "$top/.clang-format" .
	printf 'struct x {\n\tint a;\t\t/* x */\n\tchar *bcd;\t/* y */\n};\n' >a.h
	status_is 0 "$top/tools/lint/format" a.h
	printf 'struct x {\n    int a;\n};\n' >a.h
	status_is 1 "$top/tools/lint/format" a.h
	out_has '-    int a;'
}

@test "examples: an option that a command does not have, a syntax error" {
	mkdir -p b/bin man
	cat >b/bin/vmx <<-'END'
		#!/bin/bash
		[[ $1 != --good ]] && { echo "vmx: $1: no such option" >&2; exit 64; }
		exit 0
	END
	chmod +x b/bin/vmx
	page() { printf '.Sh EXAMPLES\n.Dl %s\n.Sh SEE ALSO\n' "$1" >man/vmx.1; }
	touch README.md
	page '0 3 * * * vmx --good | jq -c . | vmx --good >out && no-such'
	status_is 0 "$top/tools/lint/examples" b
	[ ! -e out ]
	page 'vmx --good | vmx --bad'
	status_is 1 "$top/tools/lint/examples" b
	out_has 'vmx: --bad: no such option'
	page 'vmx --good |'
	status_is 1 "$top/tools/lint/examples" b
	out_has 'man/vmx.1: an example does not parse'
	page true
	echo '    vmx --worse' >README.md
	status_is 1 "$top/tools/lint/examples" b
	out_has 'README.md: an example'
}
