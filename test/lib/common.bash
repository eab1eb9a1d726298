# common.bash - what every command test uses.  A bats file begins with
#	load ../lib/common
# and each case gets a directory of its own ($BATS_TEST_TMPDIR, which is also
# the working directory and HOME) and an empty store ($VMPIPE_ROOT).
# RUN='valgrind -q --error-exitcode=99' (or strace, ...) goes in front of every
# command of ours, in pipes too.
# shellcheck shell=bash disable=SC2154,SC2034
# ($output, $stderr and $status are bats's; $url and others are for the cases)

bats_require_minimum_version 1.5.0
top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
: "${VMPIPE_BUILD:=$top/build}"

setup() { fresh; }
teardown() { stop_servers; }

fresh()
{
	export HOME=$BATS_TEST_TMPDIR VMPIPE_ROOT=$BATS_TEST_TMPDIR/store
	export LC_ALL=C.UTF-8 TZ=UTC
	unset XDG_DATA_HOME XDG_RUNTIME_DIR http_proxy https_proxy
	PATH=$VMPIPE_BUILD/bin:$PATH
	servers=()
	cd "$BATS_TEST_TMPDIR" || return
	[[ -z ${RUN:-} ]] || run_wrappers
}

# A directory of wrappers, so that $RUN also reaches commands in pipes.
run_wrappers()
{
	local prog

	mkdir -p "$BATS_TEST_TMPDIR/.run"
	for prog in "$VMPIPE_BUILD"/bin/*; do
		printf '#!/bin/sh\nexec %s %q "$@"\n' "$RUN" "$prog" \
		    >"$BATS_TEST_TMPDIR/.run/${prog##*/}"
	done
	chmod +x "$BATS_TEST_TMPDIR"/.run/*
	PATH=$BATS_TEST_TMPDIR/.run:$PATH
}

# requires PROGRAM|FILE...: skips the case, saying what is missing.
requires()
{
	local what

	for what; do
		[[ $what == /* ]] && [[ -e $what ]] && continue
		command -v "$what" >/dev/null || skip "requires $what"
	done
}

# status_is N COMMAND...: runs it, keeps $output and $stderr, checks the status.
status_is()
{
	local want=$1

	shift
	run --separate-stderr -- "$@"
	[[ $status == "$want" ]] || explain "status $status, not $want: $*"
}

out_is() { [[ $output == "$1" ]] || explain "stdout is not: $1"; }
err_is() { [[ $stderr == "$1" ]] || explain "stderr is not: $1"; }
out_has() { [[ $output == *"$1"* ]] || explain "stdout lacks: $1"; }
err_has() { [[ $stderr == *"$1"* ]] || explain "stderr lacks: $1"; }

explain()
{
	printf '%s\n--- stdout\n%s\n--- stderr\n%s\n' "$1" "$output" "$stderr"
	return 1
}

# wait_for [-t SECONDS] COMMAND...: until it succeeds; fails after 30 s.
wait_for()
{
	local end=$((SECONDS + 30)) never

	[[ $1 != -t ]] || { end=$((SECONDS + $2)); shift 2; }
	exec {never}<> <(:)
	until "$@"; do
		if ((SECONDS >= end)); then
			echo "waited in vain for: $*"
			return 1
		fi
		read -rt 0.05 -u "$never" || :
	done
	exec {never}>&-
}

port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port()
{
	local port

	while port=$((20000 + RANDOM % 12000)) && port_taken "$port"; do :; done
	echo "$port"
}

# serve DIR [DIRECTIVE...]: a real nginx for DIR; sets $url and $access_log.
# The directives go into its server block.
serve()
{
	local dir=$1 port at

	requires nginx
	at=$(mktemp -d "$BATS_TEST_TMPDIR/nginx.XXXX")
	port=$(free_port)
	cat >"$at/conf" <<-END
		$([[ $EUID != 0 ]] || echo 'user root;')
		pid $at/pid; error_log $at/error.log; worker_processes 1;
		events { worker_connections 256; }
		http {
			access_log $at/access.log;
			client_body_temp_path $at; proxy_temp_path $at;
			fastcgi_temp_path $at; uwsgi_temp_path $at;
			scgi_temp_path $at;
			server { listen 127.0.0.1:$port; root $dir; ${*:2} }
		}
	END
	nginx -c "$at/conf" -e "$at/error.log" 3>&- 4>&-
	wait_for test -s "$at/pid"
	servers+=("$(<"$at/pid")")
	url=http://127.0.0.1:$port
	access_log=$at/access.log
}

# requests METHOD PATH: how many of these the last server has answered;
# has_requests N METHOD PATH says whether it is N.
requests() { grep -c "\"$1 $2 " "$access_log" || :; }
has_requests() { [[ $(requests "$2" "$3") == "$1" ]]; }

# gone PID: it has ended, whether or not its parent has noticed.
gone() { [[ $(cat "/proc/$1/stat" 2>/dev/null) =~ ^$|\)\ Z ]]; }

stop_servers()
{
	local pid

	for pid in "${servers[@]}"; do
		kill "$pid" 2>/dev/null || continue
		wait_for gone "$pid"
	done
	servers=()
}

# Everything in the store that must not change: names, modes, links, contents.
snapshot()
{
	(cd "$VMPIPE_ROOT" && find . "$@" -printf '%p %y %m %i %n %s\n' |
	    LC_ALL=C sort &&
	    find . "$@" -type f -exec sha256sum {} + | LC_ALL=C sort)
}

# Nothing half-made has been left in the store.
no_litter()
{
	local left

	left=$(find "$VMPIPE_ROOT"/{tmp,incoming} -mindepth 1 2>/dev/null || :)
	[[ -z $left ]] || { echo "left behind: $left"; return 1; }
}
