# vm.bash - for cases that boot guests; loaded after common.
# shellcheck shell=bash

: "${VMPIPE_GUESTS:=$top/build/guests}"

teardown() { stop_vms; stop_servers; }

# guest NAME: the path of a guest's disk that `make guests' has built.
guest()
{
	requires "$VMPIPE_GUESTS/$1.qcow2"
	echo "$VMPIPE_GUESTS/$1.qcow2"
}

# The QEMUs that have a file of this case's store open, whatever they are
# called and whoever started them.
vm_pids()
{
	local proc link

	for proc in /proc/[0-9]*; do
		[[ $(readlink "$proc/exe") == */qemu-system-* ]] || continue
		for link in "$proc"/fd/*; do
			[[ $(readlink "$link") == "$VMPIPE_ROOT"/* ]] || continue
			echo "${proc#/proc/}"
			break
		done
	done 2>/dev/null
}

# No VM outlives its case, even where the case or the command that stops VMs
# has failed.
stop_vms()
{
	local pid

	for pid in $(vm_pids); do
		kill -9 "$pid" 2>/dev/null && wait_for gone "$pid"
	done
}
