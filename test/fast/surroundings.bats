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
	local limit status

	for limit in '-n 3' '-n 4' '-n 8' '-v 20000' '-f 0'; do
		status=0
		bash -c "ulimit $limit && exec $prog no-such-name" \
		    </dev/null >/dev/null 2>&1 || status=$?
		((status < 128)) || { echo "$prog, ulimit $limit: $status"; return 1; }
	done
}

@test "eight descriptors, little memory, no file size: no signal" {
	[[ $VMPIPE_BUILD != */[at]san ]] ||
	    skip "expected: sanitizers need address space"
	each small_limits
}

# --- a store made under any mask --------------------------------------------

# One image and one clone, made by whoever runs this, under this mask.
make_store()
{
	umask "$1"
	vmfetch -q -a m ./m.raw | vmclone -q --name 'm-{{index}}' >/dev/null
}

small_image()
{
	truncate -s 1M m.raw
	printf x | dd of=m.raw conv=notrunc status=none
}

@test "umask 000 gives others nothing in the store" {
	small_image
	(make_store 000)
	[ "$(vmls -Ho name)" = m-1 ]
	[ -z "$(find "$VMPIPE_ROOT" -type d -perm /027 -o -type f -perm /022)" ]
	[ "$(stat -c %a "$VMPIPE_ROOT/vms/m-1/vm.json")" = 600 ]
}

@test "umask 777 does not lock its owner out, as a plain user" {
	requires setpriv
	((EUID == 0)) || skip 'expected: needs root to become somebody else'
	small_image
	chmod 0755 "$BATS_RUN_TMPDIR" "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" ..
	mkdir -m 0700 theirs
	mv m.raw theirs
	chown -R 65534:65534 theirs
	cd theirs
	export VMPIPE_ROOT=$PWD/store
	plain() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
	plain vmls --version >/dev/null 2>&1 ||
	    skip 'expected: nobody else may reach this tree'
	export -f make_store
	plain bash -c 'make_store 777'
	[ "$(plain vmls -Ho name)" = m-1 ]
}

@test "private host keys are in vm.json and nowhere else" {
	small_image
	vmfetch -a m ./m.raw >fetched 2>&1
	vmclone --name 'm-{{index}}' <fetched >out 2>err
	vmls --json >listed
	key=$(jq -r '.private.ssh_host_keys[0].private' \
	    "$VMPIPE_ROOT/vms/m-1/vm.json" | sed -n 3p)
	[ "${#key}" -gt 30 ]
	run ! grep -F -- "$key" out err listed
	[ "$(grep -rlF -- "$key" "$VMPIPE_ROOT")" = "$VMPIPE_ROOT/vms/m-1/vm.json" ]
}
