# The helpers for cases that boot guests; a paused QEMU is guest enough.

load ../lib/common
load ../lib/vm

paused_qemu()
{
	truncate -s 1M "$1"
	qemu-system-x86_64 -S -nodefaults -display none -accel tcg \
	    -blockdev "driver=file,node-name=d,filename=$1" 3>&- 4>&- &
}

has_vms() { [[ $(vm_pids | wc -l) == "$1" ]]; }

@test "stop_vms ends the QEMUs of this case's store and no other" {
	requires qemu-system-x86_64
	mkdir -p "$VMPIPE_ROOT"
	paused_qemu "$VMPIPE_ROOT/disk"
	mine=$!
	paused_qemu "$PWD/elsewhere"
	other=$!
	wait_for has_vms 1
	stop_vms
	has_vms 0
	gone "$mine"
	run ! gone "$other"
	kill "$other"
}
