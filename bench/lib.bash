# lib.bash - what the benchmarks share: a directory of their own, a clock, and
# one line per target that says whether it is met.
# shellcheck shell=bash disable=SC2034

: "${VMPIPE_BUILD:=$PWD/build}"
PATH=$VMPIPE_BUILD/bin:$PATH
dir=$(mktemp -d "${BENCH_DIR:-$VMPIPE_BUILD}/bench.XXXXXX")
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
missed=0

# best_ms VARIABLE COMMAND...: the milliseconds it took, unless the variable
# holds less already.
best_ms()
{
	local -n best=$1
	local start=${EPOCHREALTIME/./} took

	shift
	"$@"
	took=$(((${EPOCHREALTIME/./} - start) / 1000))
	[[ ${best:-} && $best -le $took ]] || best=$took
}

# Bytes that the directory takes on the disk beyond files it shares.
space_of() { du -s --block-size=1 "$1" | cut -f1; }

# report WHAT OURS PEER UNIT DIVISOR: is ours at most peer / DIVISOR?
report()
{
	awk -v what="$1" -v ours="$2" -v peer="$3" -v unit="$4" -v div="$5" '
	BEGIN {
		ratio = ours > 0 ? peer / ours : peer
		met = ours * div <= peer
		printf "%-38s %10d %-2s peer %10d %-2s  1/%-6.1f target 1/%d %s\n",
		    what, ours, unit, peer, unit, ratio, div,
		    met ? "met" : "MISSED"
		exit !met
	}' || missed=1
}

# limit WHAT OURS MOST UNIT: is ours at most that?
limit()
{
	local met=met

	(($2 <= $3)) || met=MISSED missed=1
	printf '%-38s %10d %-2s limit %9d %-2s %20s\n' "$1" "$2" "$4" "$3" \
	    "$4" "$met"
}
