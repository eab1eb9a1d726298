#!/bin/bash
# fetch.sh - a raw.xz, a raw.zst and a qcow2 file from an nginx on loopback to a
# verified, durable master, against curl, then `openssl dgst', then xz -T0,
# zstd or qemu-img, then sync of what they wrote; and a pinned master that is
# there already.  In turns, ROUNDS times; the best of each counts.
set -euo pipefail
# shellcheck source=bench/lib.bash
. "${0%/*}/lib.bash"

rounds=${ROUNDS:-3}
guest=${GUEST:-$VMPIPE_BUILD/guests/debian.qcow2}
export VMPIPE_ROOT=$dir/store

# One nginx for $dir/web; ends with us.
serve()
{
	local port=$((20000 + RANDOM % 12000))

	cat >"$dir/nginx.conf" <<-END
		$([[ $EUID != 0 ]] || echo 'user root;')
		daemon off; pid $dir/pid; error_log $dir/error.log;
		worker_processes 1; events { worker_connections 64; }
		http { access_log off; sendfile on;
			client_body_temp_path $dir; proxy_temp_path $dir;
			fastcgi_temp_path $dir; uwsgi_temp_path $dir;
			scgi_temp_path $dir;
			server { listen 127.0.0.1:$port; root $dir/web; } }
	END
	nginx -c "$dir/nginx.conf" -e "$dir/error.log" &
	nginx=$!
	trap 'kill $nginx || :; chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
	url=http://127.0.0.1:$port
	until curl -fsI "$url/guest.qcow2" >/dev/null; do
		kill -0 "$nginx"
	done
}

# sequence FILE COMMAND...: the peer; the command writes $dir/peer/master.
sequence()
{
	curl -fsS -o "$dir/peer/$1" "$url/$1"
	openssl dgst -sha256 "$dir/peer/$1" >/dev/null
	"${@:2}"
	sync "$dir/peer/master"
}

unxz_it() { xz -T0 -dc "$dir/peer/guest.raw.xz" >"$dir/peer/master"; }
unzstd_it() { zstd -qdc "$dir/peer/guest.raw.zst" >"$dir/peer/master"; }
convert_it()
{
	qemu-img convert -f qcow2 -O raw "$dir/peer/guest.qcow2" \
	    "$dir/peer/master"
}

ours() { vmfetch -q --checksum "sha256:$sum" "$url/$1" >"$dir/out"; }

# compare FILE HUNDREDTHS COMMAND...: at most so much of the sequence's time?
compare()
{
	local file=$1 part=$2 round peer_ms='' ours_ms=''

	sum=$(sha256sum "$dir/web/$file")
	sum=${sum%% *}
	for ((round = 1; round <= rounds; round++)); do
		rm -rf "$dir/peer" "$VMPIPE_ROOT"
		mkdir "$dir/peer"
		sync -f "$dir"
		best_ms peer_ms sequence "$file" "${@:3}"
		best_ms ours_ms ours "$file"
		cmp "$dir/peer/master" "$VMPIPE_ROOT/images/$sum/$sum.raw"
	done
	report "fetch $file, x$part/100" "$ours_ms" \
	    $((peer_ms * part / 100)) ms 1
}

mkdir "$dir/web"
[[ -e $guest ]] || make -s guests
cp "$guest" "$dir/web/guest.qcow2"
qemu-img convert -f qcow2 -O raw "$guest" "$dir/web/guest.raw"
xz -T0 -1 -k "$dir/web/guest.raw"
zstd -q --rm "$dir/web/guest.raw"
serve

compare guest.raw.xz 90 unxz_it
compare guest.raw.zst 60 unzstd_it
compare guest.qcow2 60 convert_it

there_ms=''
for ((round = 1; round <= rounds; round++)); do
	best_ms there_ms ours guest.qcow2
done
report "a pinned master that is there" "$there_ms" 20 ms 1
exit "$missed"
