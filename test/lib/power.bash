# power.bash - power cuts: a command's store stands on a file system in a file
# (a loop device), which is copied as it is when the command is killed at a
# system call.  What the kernel had not yet written to the device is not in the
# copy, and so is lost, as it would be when the power goes (of a disk without a
# volatile cache of its own: what such a one reorders is not simulated).
# A case says prepare, intact and finished as for sweep.bash; prepare makes the
# store as it is before in $VMPIPE_ROOT, once, on the file system that is cut.
# shellcheck shell=bash disable=SC2154 # $status is sweep.bash's

# The calls at which there may be a difference: what makes data durable, and
# what gives it a name or takes it away.
durable_calls=(fsync fdatasync syncfs linkat renameat2 unlinkat)

# power_setup TYPE: an empty file system of that type with the case's store.
power_setup()
{
	local type=$1

	[[ $EUID == 0 && -e /dev/loop-control ]] ||
	    skip "requires root and loop devices"
	requires "mkfs.$type"
	disk=$BATS_TEST_TMPDIR/disk mounted=$BATS_TEST_TMPDIR/mounted
	mkdir -p "$mounted"
	truncate -s 320M "$disk.before"
	"mkfs.$type" -q "$disk.before"
	export VMPIPE_ROOT=$mounted/store
	power_on "$disk.before"
	mkdir -m 750 "$VMPIPE_ROOT"
	prepare
	power_off
}

power_on() { mount -o loop "$1" "$mounted"; }
power_off() { umount "$mounted"; }
power_teardown() { umount -l "$BATS_TEST_TMPDIR/mounted" 2>/dev/null || :; }

# power_cut WHAT COMMAND...: runs it so, and the power goes; sets $status.
power_cut()
{
	cp "$disk.before" "$disk.now"
	power_on "$disk.now"
	injected "$@"
	cp "$disk.now" "$disk.after"
	power_off
	power_on "$disk.after"
}

# power_sweep COMMAND...: at each of these calls ($dense as for kill_sweep), and
# at the end.
power_sweep()
{
	local call n what points=0

	for call in "${durable_calls[@]}"; do
		for ((n = 1; ; n += n < ${dense:-10000} ? 1 : n / 3 + 1)); do
			what="power cut at $call $n"
			power_cut "$call:signal=KILL:when=$n" "$@"
			[[ $status != 0 ]] || break
			swept "$what" 137 "$status" "$@"
			power_off
			((++points))
		done
		# it has said that it is done: that stays so
		if ! intact || ! finished; then
			echo "lost after status 0"
			return 1
		fi
		power_off
	done 2>/dev/null
	echo "# $points points" >&3
	((points >= 3))
}
