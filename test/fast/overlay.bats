# Our overlays against QEMU's, on a few random disks; test/slow has more.

load ../lib/common

@test "overlays: the same bytes, maps and no fault, whoever writes" {
	requires qemu-img qemu-io
	"$VMPIPE_BUILD/test/differ/overlay" 3
}
