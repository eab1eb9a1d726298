# vmclone by a thousand processes, in batches of ten thousand, and while images
# come and go under it (C01, C02, C17, C18).
#
# VMPIPE_STORM_SECONDS: how long the storm lasts (20; 600 before a release).

load ../lib/common

setup()
{
	fresh
	head -c 1048576 /dev/urandom >base.raw
	vmfetch -a base ./base.raw >/dev/null
}

# counts WORD...: how often each of these states, or codes, is in the records.
counts() { jq -r '.error.code // .state' "$@" | sort | uniq -c | xargs; }
links() { stat -c %h "$VMPIPE_ROOT"/images/*/*.raw; }
all_clean()
{
	printf '%s\0' "$VMPIPE_ROOT"/vms/*/disk.qcow2 |
	    xargs -0 -P 2 -n 1 qemu-img check -q
}
share_nothing()
{
	[[ $(vmdoctor --identity --json </dev/null | jq -r .message) == \
	    "$1 VMs have nothing in common" ]]
}

@test "1,000 processes at once: 1,000 valid clones, all different (C01, C17)" {
	for i in {1..1000}; do
		vmclone --from base "p-$i" >"out-$i" 2>"err-$i" &
	done
	wait
	[[ $(counts out-*) == '1000 cloned' ]]
	[[ -z $(cat err-*) ]]
	[[ $(links) == 1001 ]]
	[[ $(vmls -Ho name | wc -l) == 1000 ]]
	share_nothing 1000
	all_clean
	no_litter
}

@test "100 processes on one private network: no address and MAC twice" {
	for i in {1..100}; do
		vmclone --from base --set 'networks=[{private: lan}]' "p-$i" \
		    >"out-$i" &
	done
	wait
	[[ $(counts out-*) == '100 cloned' ]]
	share_nothing 100
	# the lowest ones, without gaps
	[[ $(vmls --json | jq -r '.identity.nics[0].address' |
	    sed 's/^10\.[0-9]*\.[0-9]*\.\(.*\)\/20$/\1/' | sort -n |
	    paste -sd ' ') == "$(seq -s ' ' 11 110)" ]]
}

@test "10,000 clones in one call, in little memory, with few descriptors" {
	(ulimit -n 512 -v 524288 && vmclone -q --from base -c 10000 >out)
	[[ $(counts out) == '10000 cloned' ]]
	[[ $(links) == 10001 ]]
	no_litter
	# C18: what they take is bench/list.sh's business
	[[ $(vmls -Ho name | wc -l) == 10000 ]]
	share_nothing 10000
	qemu-img check -q "$VMPIPE_ROOT/vms/base-1/disk.qcow2"
	qemu-img check -q "$VMPIPE_ROOT/vms/base-10000/disk.qcow2"
	# again, and some more: only those are made
	vmclone -q --from base --index 1-10000,10003 |
	    jq -r 'select(.timing_ms.clone).name' >made
	[[ $(<made) == base-10003 ]]
	vmgc >/dev/null
	[[ $(links) == 10002 ]]
	(ulimit -n 128 -v 524288 && vmls --json | vmrm -q >out)
	[[ $(counts out) == '10001 removed' ]]
	[[ -z $(ls "$VMPIPE_ROOT/vms") ]]
}

@test "a private network that is full: 71 for those beyond, the others made" {
	status_is 71 vmclone -q --from base -c 4090 --no-host-keys --no-sync \
	    --set 'networks=[{private: lan}]' -o name,error.code -H
	[[ $(cut -f2 <<<"$output" | sort | uniq -c | xargs) == \
	    '4084 - 6 network_full' ]]
	err_has 'private network /lan: all 4084 addresses are in use'
	vmrm -q base-7 >/dev/null
	status_is 0 vmclone -q --from base --set 'networks=[{private: lan}]' new
	[[ $(jq -r '.identity.nics[0].address' <<<"$output") == *.17/20 ]]
}

# ---- the storm ----

# while_it_lasts COMMAND [ARG]: again and again until $end; a status that is not
# among $may_be is noted in a file.
while_it_lasts()
{
	local n=0 status

	while ((SECONDS < end)); do
		n=$((n + 1))
		status=0
		"$@" "$n" 2>"err.$BASHPID" || status=$?
		[[ " $may_be " == *" $status "* ]] ||
		    echo "$* $n: status $status: $(<"err.$BASHPID")" >>failures
	done
	echo "$1 $n" >>turns
}

clone_one() { vmclone -q --from base "$1-$2" >/dev/null; }
clone_batch() { vmclone -q --from base -c 20 --name "b-$1-{{index}}" >/dev/null; }
fetch_and_clone() { vmfetch -q base | vmclone -q "pipe-$1" >/dev/null; }
collect() { vmgc -q --keep "$1" --trash >/dev/null; }
remove_some() { vmls -Ho name | shuf -n 40 | xargs -r vmrm -q >/dev/null; }

publish()
{
	head -c 1048576 /dev/urandom >next.raw
	mv next.raw base.raw
	vmfetch -q --refresh base >/dev/null
}

# Every VM that is there, and still is afterwards, has its whole chain.
look()
{
	local vm inode said

	for vm in "$VMPIPE_ROOT"/vms/*/; do
		inode=$(stat -c %i "$vm" 2>/dev/null) || continue
		said=$(qemu-img info -U --backing-chain "$vm/disk.qcow2" \
		    2>&1 >/dev/null) && continue
		[[ $(stat -c %i "$vm" 2>/dev/null) != "$inode" ]] ||
		    echo "dangling: $vm: $said" >>failures
	done
}

# storm SECONDS KEEP: all of these at once, then all that is left is whole.
storm()
{
	local end=$((SECONDS + $1)) part vm raw

	for part in 'clone_one a' 'clone_one b' clone_batch fetch_and_clone \
	    "collect $2" remove_some publish look; do
		# shellcheck disable=SC2086 # a command and its argument
		while_it_lasts $part &
	done
	wait
	cat turns
	look
	[[ ! -e failures ]] || { cat failures; return 1; }
	# nobody was left out
	[[ $(awk '$2 > 1' turns | wc -l) == 8 ]]
	all_clean
	collect 0
	no_litter
	share_nothing "$(vmls -Ho name | wc -l)"
	# each stands on the very bytes of an image
	for vm in "$VMPIPE_ROOT"/vms/*/; do
		stat -c '%i %n' "$vm"/*.raw
	done | sort -u -k 1,1 | while read -r _ raw; do
		[[ $(sha256sum <"$raw") == "$(basename "$raw" .raw)  -" ]]
	done
}

@test "clones made while images are refreshed, pruned and removed (C02)" {
	may_be='0'
	storm "${VMPIPE_STORM_SECONDS:-20}" 2s
}

# Even what an alias means now goes when no VM stands on it yet: a clone is
# refused then (66; 1 where the record had failed before), or it is whole.
@test "the same, and nothing that is unused is kept for a moment (C02)" {
	may_be='0 66 1'
	storm "$((${VMPIPE_STORM_SECONDS:-20} / 2))" 0
}
