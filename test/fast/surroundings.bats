# Hostile surroundings, for every command: CASES "All commands".  What the
# commands have in common otherwise is in cli.bats.

load ../lib/common

# each COMMAND...: runs it with every command of ours as $prog; names the first
# one for which it fails.
each()
{
	local prog count=0

	for prog in "$VMPIPE_BUILD"/bin/*; do
		prog=${prog##*/}
		"$@" || { echo "failed for $prog"; return 1; }
		((++count))
	done
	((count > 0))
}

closed_reader()
{
	local fifo=$BATS_TEST_TMPDIR/fifo.$prog reader writer

	# A pipe whose reader has gone before the first byte.
	mkfifo "$fifo"
	exec {reader}<>"$fifo"
	exec {writer}>"$fifo"
	exec {reader}>&-
	status_is 74 bash -c "exec $prog --help >&$writer"
	exec {writer}>&-
}

@test "a pipe that nobody reads is 74, not a signal" {
	each closed_reader
}

closed_stderr() { status_is 74 bash -c "$prog --help 2>&-" && out_is ''; }

@test "a closed stderr is 74: nobody would see a message" {
	each closed_stderr
}

no_home() { status_is 0 env -u HOME "$prog" --help; }

odd_locale() { status_is 0 env LC_ALL=xx_YY.what LANG=zz "$prog" --help && err_is ''; }

@test "HOME unset and an unknown locale do no harm" {
	each no_home
	each odd_locale
}

# A system that refuses is 71 or one of its neighbours, or 127 when not even
# the libraries fit; a signal is a bug.
small_limits()
{
	local limit

	for limit in '-n 3' '-n 4' '-n 8' '-v 20000' '-f 0'; do
		run bash -c "ulimit $limit && exec $prog no-such-name </dev/null"
		((status < 128)) || { echo "$prog, ulimit $limit: $status"; return 1; }
	done
}

@test "eight descriptors, little memory, no file size: no signal" {
	[[ $VMPIPE_BUILD != */[at]san ]] ||
	    skip "expected: sanitizers need address space"
	each small_limits
}
