# smalldisk.bash - a store on a file system of a size that a case chooses: a
# tmpfs in a mount namespace of its own, so nobody need be root.
# shellcheck shell=bash

# on_small_disk FUNCTION [ARG...]: runs it in a subshell of bash, -e, where
# $VMPIPE_ROOT is such a file system.  FUNCTION must be exported (export -f).
on_small_disk()
{
	unshare -rm true 2>/dev/null || skip "requires user namespaces"
	mkdir -p "$VMPIPE_ROOT"
	export -f disk_size disk_empty
	# shellcheck disable=SC2016 # the inner shell's
	status_is 0 unshare -rm bash -euc '
	    mount -t tmpfs -o size=64M,mode=750 tmpfs "$VMPIPE_ROOT"
	    "$@"' - "$@"
}

# disk_size KIB: it has that much room from now on.
disk_size() { mount -o "remount,size=${1}k" "$VMPIPE_ROOT"; }

disk_empty()
{
	find "$VMPIPE_ROOT" -mindepth 1 -delete
}
