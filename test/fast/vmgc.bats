# vmgc: what goes and what stays, on a full disk, and while others clone.

load ../lib/common

image() # NAME: a small image of random bytes
{
	head -c 1M /dev/urandom >"$1.raw"
	vmfetch -qa "$1" "./$1.raw" >/dev/null
}

images() { vmls -t image -Ho name | tr '\n' ' '; }
gone() { jq -r '[.kind, .name, .state // .planned] | join(" ")' <<<"$output"; }

# Every disk opens with all that it stands on, by names in its own directory.
nothing_dangles()
{
	local disk

	for disk in "$VMPIPE_ROOT"/vms/*/disk.qcow2; do
		[[ -e $disk ]] || continue
		qemu-img info --backing-chain "$disk" >chain || return 1
		grep -q '^file format: raw' chain || return 1
	done
}

@test "--keep: unused images go, VMs and what they stand on stay" {
	image a; image b
	vmclone --from a k >/dev/null
	status_is 0 vmgc
	out_is ''
	before=$(snapshot)
	status_is 0 vmgc -n --keep 0
	[ "$(gone)" = 'image b@1 remove' ]
	[[ $(jq -r .reason <<<"$output") =~ ^no\ clones,\ unused\ for\ [0-9]+s$ ]]
	(($(jq .bytes <<<"$output") >= 1048576))
	[ "$before" = "$(snapshot)" ]
	status_is 0 vmgc --keep 0
	[ "$(gone)" = 'image b@1 removed' ]
	err_is ''
	[ "$(images)" = 'a@1 ' ]
	no_litter
	status_is 66 vmclone --from b x
	err_has 'vmfetch'
	vmfetch -q b >/dev/null
	[ "$(images)" = 'a@1 b@1 ' ]
	nothing_dangles
}

@test "--max-space: the least recently used first, as many as must" {
	for name in a b c d; do image $name; done
	vmclone --from a k >/dev/null
	vmfetch -q b >/dev/null
	status_is 0 vmgc -n --max-space 3500K
	[ "$(gone)" = 'image c@1 remove' ]
	status_is 0 vmgc --max-space 3500K -o kind,name -H
	out_is $'image\tc@1'
	[ "$(images)" = 'a@1 b@1 d@1 ' ]
	status_is 0 vmgc --max-space 0
	[ "$(gone)" = $'image d@1 removed\nimage b@1 removed' ]
	err_has 'remain, more than 0: the rest is in use, pinned or in the trash; run: vmgc -n --trash'
	[ "$(images)" = 'a@1 ' ]
	nothing_dangles
}

@test "old disks of upgrades: only when asked, --keep says how old" {
	image a
	vmclone --from a k j >/dev/null
	mv "$VMPIPE_ROOT/vms/k" "$VMPIPE_ROOT/old/k.1"
	before=$(snapshot -path './old*')
	status_is 0 vmgc --keep 0 --trash --max-space 0
	out_is ''
	status_is 0 vmgc --old --keep 1h
	out_is ''
	[ "$before" = "$(snapshot -path './old*')" ]
	exec 8<>"$VMPIPE_ROOT/locks/upgrade-k"
	flock 8
	status_is 0 vmgc --old
	out_is ''
	exec 8>&-
	status_is 0 vmgc -n --old
	[ "$(gone)" = 'old k.1 remove' ]
	[[ $(jq -r .reason <<<"$output") =~ ^'replaced by an upgrade '[0-9]+'s ago'$ ]]
	(($(jq .bytes <<<"$output") > 0))
	[ "$before" = "$(snapshot -path './old*')" ]
	status_is 0 vmgc --old
	[ "$(gone)" = 'old k.1 removed' ]
	no_litter
	nothing_dangles
	[ -z "$(ls "$VMPIPE_ROOT/old")" ]
	mv "$VMPIPE_ROOT/vms/j" "$VMPIPE_ROOT/old/j.1"
	status_is 0 vmgc --old --keep 0
	[ "$(gone)" = $'old j.1 removed\nimage a@1 removed' ]
}

@test "the trash: after 7 days, or now; then what only it held" {
	image a
	vmclone --from a k >/dev/null
	vmrm k >/dev/null
	status_is 0 vmgc --keep 0
	out_is ''
	status_is 0 vmgc --keep 0 --trash
	[ "$(gone)" = $'trash k.1 removed\nimage a@1 removed' ]
	status_is 66 vmrm --undo k
}

@test "pins and leases" {
	image a; image b
	status_is 0 vmfetch --pin a
	status_is 0 vmfetch --lease 24h b
	[ "$(vmls -t image -Ho name,pinned,lease | cut -c1-12)" = \
	    $'a@1\ttrue\t-\nb@1\tfalse\t20' ]
	status_is 0 vmls --why a -Ho kind,why
	out_has $'pin\tpinned'
	status_is 0 vmgc --keep 0 --max-space 0
	out_is ''
	status_is 0 vmfetch --unpin -n a
	status_is 0 vmfetch --unpin a
	status_is 0 vmgc --keep 0
	[ "$(gone)" = 'image a@1 removed' ]
	status_is 0 vmfetch --lease 0 b
	status_is 0 vmgc --keep 0
	[ "$(gone)" = 'image b@1 removed' ]
	status_is 64 vmfetch --pin --unpin b
	status_is 64 vmfetch --lease soon b
}

@test "litter and parts; who works on them keeps them" {
	image a
	mkdir "$VMPIPE_ROOT"/tmp/{old,new} "$VMPIPE_ROOT"/incoming/{old,new}
	touch -d '8 days ago' "$VMPIPE_ROOT/incoming/old"
	touch -d '8 days ago' "$VMPIPE_ROOT/locks/clock"
	exec {lock}<"$VMPIPE_ROOT/tmp/new"
	flock "$lock"
	status_is 0 vmgc
	[ "$(gone)" = $'litter old removed\npart old removed' ]
	exec {lock}<&-
	status_is 0 vmgc --keep 0 --max-space 100G
	[ "$(gone)" = $'litter new removed\npart new removed\nimage a@1 removed' ]
}

# clock_ahead SECONDS: as if the wall clock had gone so far ahead since it was noted.
clock_ahead()
{
	local boot up wall since

	read -r boot up wall since <"$VMPIPE_ROOT/locks/clock"
	printf '%s %11d %11d %11d\n' "$boot" "$up" $((wall - $1)) "$since" \
	    >"$VMPIPE_ROOT/locks/clock"
}

@test "a clock ten years off removes nothing by age" {
	image a
	image b
	vmfetch -qa a ./b.raw >/dev/null
	vmclone --from a k >/dev/null
	vmrm k >/dev/null
	for seconds in 315360000 -315360000; do
		clock_ahead $seconds
		status_is 0 vmgc --keep 1s -n
		out_is ''
		err_has 'the clock has jumped'
		status_is 0 vmgc --keep 1d
		out_is ''
		err_has 'the clock has jumped'
		status_is 0 vmgc --keep 1d
		err_is ''
	done
	# a store whose clock nobody noted: ages begin now
	rm "$VMPIPE_ROOT/locks/clock"
	touch -d '9 years ago' "$VMPIPE_ROOT"/images/*/image.json
	status_is 0 vmgc --keep 1d
	out_is ''
	# and a clock that was always right
	clock_ahead 0
	read -r boot up wall _ <"$VMPIPE_ROOT/locks/clock"
	printf '%s %11d %11d %11d\n' "$boot" "$up" "$wall" 0 \
	    >"$VMPIPE_ROOT/locks/clock"
	status_is 0 vmgc -n --keep 1d
	[ "$(gone)" = 'image a@1 remove' ]
}

@test "a full disk" {
	requires unshare
	[[ $EUID == 0 ]] || skip 'requires root'
	mkdir small
	# shellcheck disable=SC2016
	status_is 0 unshare -m bash -euc '
		mount -t tmpfs -o size=4M none small
		export VMPIPE_ROOT=$PWD/small/store
		for name in a b; do
			head -c 1M /dev/urandom >$name.raw
			vmfetch -qa $name ./$name.raw >/dev/null
		done
		vmfetch --pin -q b >/dev/null
		vmclone --from a k >/dev/null
		vmrm k >/dev/null
		cat /dev/zero >small/fill 2>/dev/null || :
		! echo x >small/more
		vmfetch -q --unpin b >/dev/null
		vmgc --keep 0 --trash -Ho name,state | sort'
	out_is $'a@1\tremoved\nb@1\tremoved\nk.1\tremoved'
}

@test "cloners, fetchers and vmgc at once: nothing dangles" {
	requires qemu-img
	image a
	for worker in 1 2 3 4; do
		(
			for n in 1 2 3 4 5 6 7 8; do
				vmfetch -q ./a.raw 2>/dev/null |
				    vmclone -q "w$worker-$n" >/dev/null \
				    2>>failures || :
				((n % 3)) || vmrm "w$worker-$n" >/dev/null \
				    2>&1 || :
			done
			echo >"done$worker"
		) 3>&- 4>&- &
	done
	until [[ -e done1 && -e done2 && -e done3 && -e done4 ]]; do
		vmgc --keep 0 --trash --max-space 0 -q >>removed
	done
	wait
	[ -s removed ]
	nothing_dangles
	run ! grep -v 'not in the store\|: not in /' failures
	vmls -Ho name | vmrm -r >/dev/null
	status_is 0 vmgc --keep 0 --trash
	[ "$(images)" = '' ]
	no_litter
}

@test "killed at each point: once more, and all is done" {
	image a
	vmclone --from a k stays >/dev/null
	vmrm k >/dev/null
	image b
	cp -a "$VMPIPE_ROOT" whole
	VMPIPE_FAULT_LOG=$PWD/log vmgc --keep 0 --trash >/dev/null
	while read -r count point; do
		for ((n = 1; n <= count; n++)); do
			rm -rf "$VMPIPE_ROOT"
			cp -a whole "$VMPIPE_ROOT"
			status_is 137 env VMPIPE_FAULT="$point:$n:kill" \
			    vmgc --keep 0 --trash
			nothing_dangles
			status_is 0 vmgc --keep 0 --trash
			[ "$(images)" = 'a@1 ' ]
			[ "$(vmls -Ho name)" = stays ]
			[ ! -e "$VMPIPE_ROOT/trash/k.1" ]
			no_litter
		done
	done < <(cut -d' ' -f1 log | sort | uniq -c)
	(($(wc -l <log) > 10))
}

@test "usage; no store" {
	status_is 66 vmgc
	[ ! -e "$VMPIPE_ROOT" ]
	status_is 64 vmgc x
	status_is 64 vmgc --keep soon
	status_is 64 vmgc --max-space much
	status_is 0 vmgc -o help
	out_has reason
}
