#!/bin/bash
# start.sh - from the command to QEMU running: vmdeploy --no-wait of one VM
# against the bare QEMU command that `vmdeploy -n' prints, up to its monitor's
# greeting.  In turns, ROUNDS times; the medians count, 50 ms apart at most.
set -euo pipefail
# shellcheck source=bench/lib.bash
. "${0%/*}/lib.bash"

rounds=${ROUNDS:-9}
most_ms=50
ours=() peers=()

median() { printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"; }

# The greeting is the first line of a monitor on stdout; $command ends with
# exec, so the process is QEMU itself.
bare()
{
	local greeting pid qemu

	coproc qemu { eval "$command -qmp stdio" 2>/dev/null; }
	pid=$!
	read -r greeting <&"${qemu[0]}"
	took_ms=$(((${EPOCHREALTIME/./} - start) / 1000))
	[[ $greeting == *'"QMP"'* ]]
	kill "$pid"
	wait "$pid" || :
}

export VMPIPE_ROOT=$dir/store
truncate -s 64M "$dir/master.raw"
vmfetch -q -a master "$dir/master.raw" | vmclone -q --set memory=128M vm \
    >/dev/null
command=$(vmdeploy -qn vm)

for ((round = 1; round <= rounds; round++)); do
	start=${EPOCHREALTIME/./}
	bare
	peers+=("$took_ms")
	start=${EPOCHREALTIME/./}
	vmdeploy -q --no-wait vm >/dev/null
	ours+=($(((${EPOCHREALTIME/./} - start) / 1000)))
	vmstop -qf vm >/dev/null
done

ours_ms=$(median "${ours[@]}")
peer_ms=$(median "${peers[@]}")
verdict=met
((ours_ms <= peer_ms + most_ms)) || { verdict=MISSED; missed=1; }
printf '%-38s %10d ms peer %10d ms  +%d ms target +%d ms %s\n' \
    'one VM to QEMU running' "$ours_ms" "$peer_ms" $((ours_ms - peer_ms)) \
    "$most_ms" "$verdict"
exit "$missed"
