# vmexport killed, told to stop, or refused at each point: FILE is the whole
# image or what it was before.

load ../lib/common
load ../lib/sweep

setup_file()
{
	cd "$BATS_FILE_TMPDIR" || return
	export VMPIPE_ROOT=$PWD/with-vm PATH=$VMPIPE_BUILD/bin:$PATH
	head -c 300k /dev/urandom >master.raw
	truncate -s 1M master.raw
	vmfetch -q -a m ./master.raw >/dev/null
	vmclone -q --from m box >/dev/null
}

setup()
{
	requires strace qemu-img jq
	fresh
	master=$BATS_FILE_TMPDIR/master.raw
	cp -a "$BATS_FILE_TMPDIR/with-vm" "$VMPIPE_ROOT"
}

# As in sweep.bash, but in the command itself: of the death of a qemu-img it
# tells like of any other failure.
injected()
{
	local what=$1

	shift
	status=0
	strace -qq -o /dev/null -e inject="$what" "$@" >injected.out \
	    2>injected.err || status=$?
}

is_image() { qemu-img compare -q -f qcow2 -F raw box.qcow2 "$master"; }

prepare() { echo mine >box.qcow2; }
finished() { is_image && vmgc -q >/dev/null && no_litter; }

is_mine() { cmp -s box.qcow2 <(echo mine); }
intact() { store_is_whole && { is_mine || is_image; }; }

@test "killed at each call" {
	kill_sweep vmexport -qf --keep-identity box box.qcow2
}

@test "stopped" {
	term_sweep vmexport -qf --keep-identity box box.qcow2
}

@test "each durable write refused" {
	# what cannot be removed from tmp/ is left to vmgc, and no failure
	for point in open mkdir link fsync rename fsync_dir; do
		for n in 1 1+ 2 2+ 3 3+; do
			prepare
			status=0
			VMPIPE_FAULT=$point:$n:ENOSPC vmexport -qf \
			    --keep-identity box box.qcow2 >refused.out \
			    2>refused.err || status=$?
			[[ $status == 0 ]] && is_image && continue
			swept "ENOSPC at $point $n" 74 "$status" \
			    vmexport -qf --keep-identity box box.qcow2
		done
	done
}

@test "where there are no nameless files, each durable write refused" {
	count=$(VMPIPE_FAULT_LOG=$PWD/log vmexport -q --keep-identity box \
	    a.qcow2 >/dev/null; grep -c . log)
	for ((n = 1; n <= count; n++)); do
		for point in open write fsync rename link fsync_dir; do
			prepare
			status=0
			VMPIPE_FAULT=open:1:EOPNOTSUPP,$point:$n:EIO \
			    vmexport -qf --keep-identity box box.qcow2 \
			    >refused.out 2>refused.err || status=$?
			intact
			[[ $status == 0 || $point == fsync_dir ]] || is_mine
			[[ -z $(find . -maxdepth 1 -name '.?*' -type f) ]]
			no_litter
		done
	done
}

@test "qemu-img that is not there, dies or cannot read: said, nothing is left" {
	mkdir bin
	PATH=$PWD/bin:$PATH
	for case in '70 kill -SEGV $$' '70 echo "qemu-img: no" >&2; exit 1' \
	    '74 echo "x: No space left on device" >&2; exit 1'; do
		printf '#!/bin/sh\n%s\n' "${case#* }" >bin/qemu-img
		chmod +x bin/qemu-img
		status_is "${case%% *}" vmexport -c --keep-identity box a.qcow2
		err_has 'vmexport: box: '
		[[ ! -e a.qcow2 ]]
		status_is "${case%% *}" vmexport -O vmdk --keep-identity box -
		out_is ''
		no_litter
	done
	commands=$(dirname "$(command -v vmexport)")
	status_is 69 env PATH="$commands" vmexport -c --keep-identity box a.qcow2
	err_has 'apt install qemu-utils'
	no_litter
	status_is 0 env PATH="$commands" vmexport --keep-identity box a.qcow2
}
