# CASES C03, C08: copies, reflinks and VMs for one run, killed, refused and
# powered off at each point.

load ../lib/common
load ../lib/sweep
load ../lib/power

setup()
{
	requires strace qemu-img jq
	fresh
	master=$PWD/master.raw
	truncate -s 1M master.raw
	printf 'begin' | dd of=master.raw conv=notrunc status=none
	printf 'end' | dd of=master.raw conv=notrunc seek=2000 status=none
	VMPIPE_ROOT=$PWD/with-master vmfetch -q -a m "$master" >/dev/null
}
teardown() { power_teardown; }

intact() { store_is_whole; }

only_master() { rm -rf "$VMPIPE_ROOT"; cp -a with-master "$VMPIPE_ROOT"; }
fetched() { vmfetch -q -a m "$master" >/dev/null; }
two_clones()
{
	[[ $(vmls -Ho name,state,disks.0.format) == \
	    $'k-1\tcloned\traw\nk-2\tcloned\traw' ]] && no_litter_of_old
}
# what was killed left is the next vmgc's
no_litter_of_old() { vmgc -q --keep 1000d >/dev/null && no_litter; }

make() { echo vmclone -q --from m -c 2 --name 'k-{{index}}' --mode "$1"; }

@test "copies, killed at each call" {
	prepare() { only_master; }
	finished() { two_clones; }
	# shellcheck disable=SC2046 # words
	kill_sweep $(make copy)
}

@test "copies, each durable write refused; stopped and interrupted" {
	prepare() { only_master; }
	finished() { two_clones; }
	# shellcheck disable=SC2046 # words
	refuse_sweep ENOSPC 74 $(make copy)
	# shellcheck disable=SC2046 # words
	term_sweep $(make copy)
}

off()
{
	prepare() { fetched; }
	finished() { two_clones; }
	power_setup "$1"
	# shellcheck disable=SC2046 # words
	power_sweep $(make "$2")
}

@test "copies on ext4: the power goes" { off ext4 copy; }
@test "copies on xfs: the power goes" { off xfs copy; }
@test "reflinks on xfs: the power goes" { off xfs reflink; }

# A VM for one run that is over, beside one that is not.
one_over()
{
	vmclone -q --from m --mode copy --ephemeral over new >/dev/null
	jq '.run = {accel: "tcg"} | .started = true' \
	    "$VMPIPE_ROOT/vms/over/vm.json" >x
	cat x >"$VMPIPE_ROOT/vms/over/vm.json"
	sync "$VMPIPE_ROOT/vms/over/vm.json"
}
one_left() { [[ $(vmls -Ho name) == new ]] && no_litter_of_old; }

@test "an ephemeral VM that is over, vmgc killed at each call" {
	prepare() { only_master; one_over; }
	finished() { one_left; }
	kill_sweep vmgc -q --keep 1000d
}

@test "an ephemeral VM that is over, the power goes on ext4" {
	prepare() { fetched; one_over; }
	finished() { one_left; }
	power_setup ext4
	power_sweep vmgc -q --keep 1000d
}
