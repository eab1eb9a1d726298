# vmfetch when the store's file system is full (CASES F03), at every step.
# shellcheck shell=bash disable=SC2154 # set by common.bash and bats

load ../lib/common
load ../lib/smalldisk

setup()
{
	fresh
	mkdir web
	head -c 131072 /dev/urandom >web/small.raw
	head -c 2600960 /dev/urandom >web/box.raw
	head -c 12582912 /dev/urandom >web/large.raw
	qemu-img convert -O qcow2 web/box.raw web/box.qcow2
	log=$BATS_TEST_TMPDIR/requests
	"$top/test/lib/badhttp.pl" "$PWD/web" "$log" 3>&- 4>&- &
	servers+=($!)
	wait_for test -e "$log.port"
	url=http://127.0.0.1:$(<"$log.port")
	export url
	export -f sweep whole_or_none
}

# whole_or_none: what the store has under a final name is complete.
whole_or_none()
{
	local dir

	for dir in "$VMPIPE_ROOT"/images/*/; do
		[ ! -e "$dir" ] || jq -e .virtual_size "$dir/image.json" >/dev/null
	done
	for dir in "$VMPIPE_ROOT"/tmp/*; do
		[ ! -e "$dir" ] || { echo "left: $dir"; return 1; }
	done
}

# sweep FROM TO STEP COMMAND...: with so many KiB; 74 or 0, nothing half made,
# and it works as soon as there is room.  Prints how often it was 74, and the
# last of these sizes.
sweep()
{
	local size from=$1 to=$2 step=$3 status full=0 last=0

	shift 3
	for ((size = from; size <= to; size += step)); do
		disk_empty
		disk_size "$size"
		status=0
		"$@" >out 2>err </dev/null || status=$?
		whole_or_none
		[ "$status" != 0 ] || continue
		if [ "$status" != 74 ]; then
			echo "$size KiB: status $status"
			cat err
			return 1
		fi
		((++full))
		last=$size
		disk_size 65536
		"$@" >out 2>err </dev/null || { echo "$size KiB: not again"
			cat err; return 1; }
		whole_or_none
	done
	[ "$status" = 0 ] || { echo "$to KiB are not enough"; return 1; }
	echo "$full $last"
}

@test "a small file, every 4 KiB, its length known and unknown" {
	on_small_disk sweep 4 260 4 vmfetch --insecure "$url/nolength/small.raw"
	((${output% *} > 30))
	on_small_disk sweep 4 260 4 vmfetch --insecure "$url/x/small.raw"
	((${output% *} > 30))
}

# coarse_and_fine COMMAND...: every 256 KiB, then every 4 where it begins to fit.
coarse_and_fine()
{
	on_small_disk sweep 64 6336 256 "$@"
	((${output% *} > 8))
	on_small_disk sweep "${output#* }" $((${output#* } + 256)) 4 "$@"
}

@test "part and image: every size around where one and both have room" {
	coarse_and_fine vmfetch --insecure "$url/x/box.raw"
	coarse_and_fine vmfetch --insecure "$url/x/box.raw" --no-part
	# Here the part begins to have room.
	on_small_disk sweep 5040 5180 4 vmfetch --insecure "$url/x/box.raw"
}

@test "qcow2: every size around where the file and the master have room" {
	coarse_and_fine vmfetch --insecure "$url/x/box.qcow2"
}

# fill_up LEFT OPTION...: while it comes the disk gets full but for LEFT KiB.
fill_up()
{
	local left=$1 pid status=0 free

	shift
	disk_empty
	disk_size 32768
	vmfetch --insecure "$url/rate=8000000/large.raw" "$@" >out 2>err &
	pid=$!
	until [ "$(df --output=used -k "$VMPIPE_ROOT" | tail -1)" -ge 4096 ]; do
		kill -0 "$pid"
	done
	free=$(df --output=avail -k "$VMPIPE_ROOT" | tail -1)
	dd if=/dev/zero of="$VMPIPE_ROOT/filler" bs=1k count=$((free - left)) \
	    status=none || :
	wait "$pid" || status=$?
	whole_or_none
	case $status in
	0) return 0 ;;
	74) ;;
	*) cat err; return 1 ;;
	esac
	[ -n "${kept-}" ] || [ -z "$(ls "$VMPIPE_ROOT/incoming")" ]
	rm "$VMPIPE_ROOT/filler"
	vmfetch --insecure "$url/x/large.raw" "$@" >out 2>err
	jq -e '.image.id' out
}

@test "a disk that fills up meanwhile: 74, and the same command works later" {
	export -f fill_up
	for left in 0 64 4500; do
		on_small_disk fill_up $left --no-part
		[ -n "$output" ]
	done
	for left in 0 600 5000; do
		kept=1 on_small_disk fill_up $left
	done
}
