# sweep.bash - a command killed, or refused, at each point in turn.  A case
# says prepare (a function that makes the store as it is before), intact (that
# nothing under a final name is half made) and finished (that the work is
# complete after one more, undisturbed run).
# shellcheck shell=bash disable=SC2154 # $master is the case's

# The system calls by which anything is made, changed or taken away.
writing_calls=(openat mkdirat write pwrite64 writev pwritev ftruncate fallocate
	copy_file_range fchmod linkat unlinkat renameat2 rename fsync fdatasync
	syncfs flock)

# kill_sweep COMMAND...: kill -9 at the Nth of each of these calls, N from 1
# until it is not reached (every one up to $dense, then fewer); then the same
# command once more.  One that is killed with a child may say so in other words
# ($with_children).
kill_sweep()
{
	local call n status points=0 want=137

	for call in "${writing_calls[@]}"; do
		for ((n = 1; ; n += n < ${dense:-10000} ? 1 : n / 3 + 1)); do
			prepare
			injected "$call:signal=KILL:when=$n" "$@"
			[[ $status != 0 ]] || break
			[[ -z ${with_children:-} ]] || want=$status
			swept "killed at $call $n" "$want" "$status" "$@"
			((++points))
		done
	done 2>/dev/null
	echo "# $points points" >&3
	((points > 10))
}

# eintr_sweep COMMAND...: the Nth of each call that may be interrupted on a local
# file system is; nobody notices.
eintr_sweep()
{
	local call n status

	for call in write pwrite64 fsync syncfs; do
		for n in 1 2 5; do
			prepare
			injected "$call:error=EINTR:when=$n" "$@"
			[[ $status == 0 ]] || { echo "EINTR at $call $n: $status"
				cat injected.err; return 1; }
			finished
		done
	done
}

# term_sweep COMMAND...: SIGTERM at a call here and there; a clean end.
term_sweep()
{
	local call n status points=0

	for call in openat pwrite64 linkat renameat2 fsync; do
		for n in 1 3 40 60; do
			prepare
			injected "$call:signal=TERM:when=$n" "$@"
			[[ $status != 0 ]] || continue
			swept "SIGTERM at $call $n" 143 "$status" "$@"
			no_litter
			((++points))
		done
	done
	((points > 3))
}

# injected WHAT COMMAND...: sets $status; strace(1) says what WHAT may be.
injected()
{
	local what=$1

	shift
	status=0
	strace -f -qq -o /dev/null -e inject="$what" "$@" >injected.out \
	    2>injected.err || status=$?
}

# refuse_sweep ERRNO STATUS COMMAND...: the Nth durable write of each kind fails,
# alone (what could be made good is 0) and with all of its kind that follow;
# the command says so with that status.  But not of the kind $refuse_not, which
# it can do without.
refuse_sweep()
{
	local errno=$1 want=$2 point count n status points=0 on

	shift 2
	prepare
	rm -f points
	VMPIPE_FAULT_LOG=$PWD/points "$@" >/dev/null
	while read -r count point; do
		for ((n = 1; n <= count; n++)); do
			for on in '' +; do
				prepare
				status=0
				VMPIPE_FAULT=$point:$n$on:$errno "$@" \
				    >refused.out 2>refused.err || status=$?
				[[ $on || $status != 0 ]] || { finished; continue; }
				swept "$errno at $point $n$on" "$want" \
				    "$status" "$@"
				((++points))
			done
		done
	done < <(cut -d' ' -f1 points | grep -vx "${refuse_not:-none}" |
	    sort | uniq -c)
	echo "# $points points" >&3
	((points > 3))
}

# What must hold afterwards, each time.
swept()
{
	local what=$1 want=$2 got=$3

	shift 3
	[[ $got == "$want" ]] || { echo "$what: status $got, not $want"; return 1; }
	intact || { echo "$what: something is half made"; return 1; }
	"$@" >again.out 2>again.err || { echo "$what: fails when run again:"
		cat again.err; return 1; }
	finished || { echo "$what: not complete when run again"; return 1; }
}

# Everything under a final name is whole: metadata that parses, masters with
# the digests they claim, overlays that qemu-img finds clean, copies of the
# master that are complete.
store_is_whole()
{
	local file dir

	[[ -d $VMPIPE_ROOT ]] || return 0
	for dir in "$VMPIPE_ROOT"/images/*/; do
		[[ -d $dir ]] || continue
		jq -e . "$dir/image.json" >/dev/null || return 1
		[[ $(stat -c %a "$dir"/*.raw) == 444 ]] || return 1
		cmp -s "$dir"/*.raw "$master" || return 1
	done
	for dir in "$VMPIPE_ROOT"/vms/*/; do
		[[ -d $dir ]] || continue
		jq -e .name "$dir/vm.json" >/dev/null || return 1
		[[ -f $dir/lock ]] || return 1
		if [[ -e $dir/disk.raw ]]; then
			cmp -s "$dir/disk.raw" "$master" || return 1
		else
			qemu-img check -q "$dir/disk.qcow2" || return 1
		fi
	done
	for file in "$VMPIPE_ROOT"/aliases/*; do
		[[ ! -e $file ]] || jq -e . "$file" >/dev/null || return 1
	done
}
