#!/bin/bash
# list.sh - a store of 10,000 VMs: listed, pruned around, their identities
# compared with those of as many on another host.  Best of ROUNDS.
set -euo pipefail
# shellcheck source=bench/lib.bash
. "${0%/*}/lib.bash"

count=${COUNT:-10000}
table_ms='' records_ms='' prune_ms='' identity_ms='' # set by best_ms
export VMPIPE_ROOT=$dir/store

make_table() { vmls >/dev/null; }
make_records() { vmls --json >"$dir/records"; }
prune() { vmgc -q >/dev/null; }
compare() { vmdoctor --identity <"$dir/elsewhere" >/dev/null; }

truncate -s 16M "$dir/master.raw"
vmfetch -q -a master "$dir/master.raw" >/dev/null
vmclone -q --no-sync --from master -c "$count" >"$dir/out"
# as many with other values: each digit is the next one
jq -c '.host = "elsewhere" | .name += "-x" | .identity |= walk(
    if type == "string" then explode | map(if . >= 48 and . <= 57
    then (. - 47) % 10 + 48 else . end) | implode else . end)' \
    "$dir/out" >"$dir/elsewhere"

for ((round = 1; round <= ${ROUNDS:-3}; round++)); do
	best_ms table_ms make_table
	best_ms records_ms make_records
	best_ms prune_ms prune
	best_ms identity_ms compare
done
[[ $(wc -l <"$dir/records") == "$count" ]]

limit "list $count VMs, as a table" "$table_ms" 1000 ms
limit "list $count VMs, as records" "$records_ms" 1000 ms
limit "prune beside $count VMs" "$prune_ms" 2000 ms
limit "compare $((2 * count)) identities" "$identity_ms" 2000 ms
exit "$missed"
