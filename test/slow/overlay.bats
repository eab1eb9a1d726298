# Our overlays against QEMU's, on random disks, for longer than in test/fast.

load ../lib/common

@test "the same bytes, maps and no fault, whoever writes" {
	requires qemu-img qemu-io
	"$VMPIPE_BUILD/test/differ/overlay" "${SECONDS_OF_TRIALS:-60}"
}
