# The test helpers themselves: a helper that cannot fail would hide failures.

load ../lib/common

@test "status_is takes the status it is given and no other" {
	status_is 3 bash -c 'echo out; echo err >&2; exit 3'
	out_is out
	err_is err
	run ! status_is 4 bash -c 'exit 3'
}

@test "serve answers, counts requests, and is gone afterwards" {
	echo hello >page
	serve "$PWD"
	exec 5<>"/dev/tcp/127.0.0.1/${url##*:}"
	printf 'GET /page HTTP/1.0\r\n\r\n' >&5
	grep -q hello <&5
	exec 5>&-
	wait_for has_requests 1 GET /page
	stop_servers
	run ! port_taken "${url##*:}"
}

@test "wait_for gives up" {
	run ! wait_for -t 0 false
}

@test "a snapshot sees a changed byte, mode and link" {
	mkdir -p "$VMPIPE_ROOT/tmp"
	echo a >"$VMPIPE_ROOT/f"
	before=$(snapshot)
	[ "$before" = "$(snapshot)" ]
	chmod 0400 "$VMPIPE_ROOT/f"
	[ "$before" != "$(snapshot)" ]
	no_litter
	touch "$VMPIPE_ROOT/tmp/x"
	run ! no_litter
}

@test "RUN goes in front of our commands, in pipes too" {
	mkdir -p b/bin
	printf '#!/bin/sh\necho x\n' | tee b/bin/vma >b/bin/vmb
	chmod +x b/bin/*
	printf '#!/bin/sh\necho "$1" >>ran\nexec "$@"\n' >log-run
	chmod +x log-run
	VMPIPE_BUILD=$PWD/b RUN=$PWD/log-run
	fresh
	vma | vmb
	[ "$(sed 's|.*/||' ran | sort | tr '\n' ' ')" = 'vma vmb ' ]
}
