#!/bin/bash
# fetch.sh - from an nginx on loopback to a verified, durable master, against
# what else does the same: curl, then `openssl dgst', then xz -T0, zstd or
# qemu-img and a sync of what they wrote.
#
# First each stage alone and then all in sequence.  Ours may take 1.15 times the
# slowest stage, or all stages' CPU time over the cores if that is more; stages
# are those three and one that only ours has, the digests of what is in the disk
# (the qcow2 file is as large as that); the server's CPU time counts, too.  And
# it may take 0.6 times the sequence where the slowest stage is at most half of
# that (0.9 times for xz in any case).  Then from a server that limits its rate,
# and a pinned master that is there already, with no server left to ask.  In
# turns, ROUNDS times; the best of each counts.
set -euo pipefail
# shellcheck source=bench/lib.bash
. "${0%/*}/lib.bash"

rounds=${ROUNDS:-3}
guest=${GUEST:-$VMPIPE_BUILD/guests/debian.qcow2}
rate=20000000 # bytes a second
memory=128	# MiB
export VMPIPE_ROOT=$dir/store
TIMEFORMAT='%3R %3U %3S'
cores=$(nproc)
declare -A ms cpu # of each thing that was measured, the best
rss=0		  # KiB, the most that ours took

# One nginx for $dir/web, and slowly under /slow/; ends with us.
serve()
{
	local port=$((20000 + RANDOM % 12000))

	cat >"$dir/nginx.conf" <<-END
		$([[ $EUID != 0 ]] || echo 'user root;')
		daemon off; master_process off;
		pid $dir/pid; error_log $dir/error.log;
		events { worker_connections 64; }
		http { access_log off; sendfile on;
			client_body_temp_path $dir; proxy_temp_path $dir;
			fastcgi_temp_path $dir; uwsgi_temp_path $dir;
			scgi_temp_path $dir;
			server { listen 127.0.0.1:$port; root $dir/web;
				location /slow/ { alias $dir/web/;
					limit_rate $rate; } } }
	END
	nginx -c "$dir/nginx.conf" -e "$dir/error.log" &
	nginx=$!
	trap 'kill $nginx 2>/dev/null || :; chmod -R u+w "$dir"; rm -rf "$dir"' \
	    EXIT
	url=http://127.0.0.1:$port
	until curl -fsI "$url/guest.qcow2" >/dev/null; do
		kill -0 "$nginx"
	done
}

# The server's CPU time so far, ms.
served()
{
	local stat

	stat=$(<"/proc/$nginx/stat")
	# shellcheck disable=SC2086 # the fields after the program's name
	set -- ${stat##*) }
	echo $(((${12} + ${13}) * 10))
}

# measure NAME COMMAND...: its time, and its CPU time and the server's for it.
measure()
{
	local name=$1 before real user sys

	shift
	sync -f "$dir"
	before=$(served)
	{ time "$@" 2>&3; } 3>&2 2>"$dir/time"
	tail -1 "$dir/time" >"$dir/last"
	read -r real user sys <"$dir/last"
	real=$((10#${real/./})) user=$((10#${user/./})) sys=$((10#${sys/./}))
	[[ ! ${ms[$name]:-} || $real -lt ${ms[$name]} ]] || return 0
	ms[$name]=$real
	cpu[$name]=$((user + sys + $(served) - before))
}

# The stages of the peer, for $file and how to unpack it.
get() { curl -fsS -o "$dir/peer/$file" "$url/$file"; }
check() { openssl dgst -sha256 "$dir/peer/$file" >/dev/null; }
chunks() { openssl dgst -sha256 "$dir/web/guest.qcow2" >/dev/null; }
unpack()
{
	"$how" "$dir/peer/$file" "$dir/peer/master"
	sync "$dir/peer/master"
}
sequence() { get && check && unpack; }
with_xz() { xz -T0 -dc "$1" >"$2"; }
with_zstd() { zstd -qd -o "$2" "$1"; }
with_qemu_img() { qemu-img convert -f qcow2 -O raw "$1" "$2"; }

ours()
{
	env time -q -f %M -o "$dir/rss" \
	    vmfetch -q --checksum "sha256:$sum" "$1" >"$dir/out"
}

# A measurement of ours into an empty store.
measure_ours()
{
	local most

	rm -rf "$VMPIPE_ROOT"
	measure "$@"
	most=$(tail -1 "$dir/rss")
	((most <= rss)) || rss=$most
}

# judge WHAT HAVE LIMIT: is it at most that?  Both in ms.
judge()
{
	awk -v what="$1" -v have="$2" -v limit="$3" 'BEGIN {
		printf "%-52s %6d ms  at most %6d ms  %.2f  %s\n", what, have,
		    limit, have / limit, have <= limit ? "met" : "MISSED"
		exit have > limit
	}' || missed=1
}

# compare FILE HOW HUNDREDTHS: HOW unpacks; at most so much of the sequence.
compare()
{
	local file=$1 how=$2 part=$3 round slowest=0 all=0 stage bound

	sum=$(sha256sum "$dir/web/$file")
	sum=${sum%% *}
	ms=() cpu=()
	for ((round = 1; round <= rounds; round++)); do
		rm -rf "$dir/peer"
		mkdir "$dir/peer"
		measure get get
		measure check check
		measure unpack unpack
		measure chunks chunks
		rm -rf "$dir/peer"
		mkdir "$dir/peer"
		measure sequence sequence
		measure_ours ours ours "$url/$file"
		cmp "$dir/peer/master" "$VMPIPE_ROOT/images/$sum/$sum.raw"
	done
	for stage in get check unpack chunks; do
		((ms[$stage] <= slowest)) || slowest=${ms[$stage]}
		all=$((all + cpu[$stage]))
	done
	bound=$((all / cores > slowest ? all / cores : slowest))
	printf '%s: curl %d, dgst %d, %s %d, chunks %d ms alone, ' "$file" \
	    "${ms[get]}" "${ms[check]}" "${how#with_}" "${ms[unpack]}" \
	    "${ms[chunks]}"
	printf 'CPU %d ms / %d;' "$all" "$cores"
	printf ' in sequence %d ms; ours CPU %d ms\n' "${ms[sequence]}" \
	    "${cpu[ours]}"
	judge "  $file, 1.15 x max(slowest, CPU / cores)" "${ms[ours]}" \
	    $((bound * 115 / 100))
	((part == 90 || slowest * 2 <= ms[sequence])) || return 0
	judge "  $file, 0.$part x sequence" "${ms[ours]}" \
	    $((ms[sequence] * part / 100))
}

# From the slow server; how many bytes a second it does send, curl tells.
limited()
{
	local file=$1 round

	sum=$(sha256sum "$dir/web/$file")
	sum=${sum%% *}
	ms=() cpu=()
	for ((round = 1; round <= rounds; round++)); do
		measure get curl -fsS -o "$dir/slow" "$url/slow/$file"
		rm "$dir/slow"
		measure_ours ours ours "$url/slow/$file"
	done
	judge "$file at $((rate / 1000000)) MB/s, 1.05 x bytes / rate" \
	    "${ms[ours]}" $((ms[get] * 105 / 100))
}

mkdir "$dir/web"
[[ -e $guest ]] || make -s guests
cp "$guest" "$dir/web/guest.qcow2"
qemu-img convert -f qcow2 -O raw "$guest" "$dir/web/guest.raw"
xz -T0 -1 -k "$dir/web/guest.raw"
qemu-img convert -c -O qcow2 "$guest" "$dir/web/deflate.qcow2"
qemu-img convert -c -o compression_type=zstd -O qcow2 "$guest" \
    "$dir/web/zstd.qcow2"
zstd -q --rm "$dir/web/guest.raw"
serve

compare guest.raw.xz with_xz 90
compare guest.raw.zst with_zstd 60
compare guest.qcow2 with_qemu_img 60
compare deflate.qcow2 with_qemu_img 60
compare zstd.qcow2 with_qemu_img 60
limited deflate.qcow2

# That master is there; nobody is left to ask.
kill "$nginx"
wait "$nginx" || :
there_ms=''
for ((round = 0; round < 10; round++)); do
	best_ms there_ms vmfetch -q --checksum "sha256:$sum" "$url/deflate.qcow2" \
	    >"$dir/out"
done
judge "a pinned master that is there, no request" "$there_ms" 20
report "the most memory that ours took" $((rss / 1024)) $memory MiB 1
exit "$missed"
