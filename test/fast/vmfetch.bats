# vmfetch against a real nginx, and against what may go wrong.

load ../lib/common

setup()
{
	fresh
	mkdir web
	"$top/test/lib/mkqcow2.pl" >web/box.qcow2
	qemu-img convert -f qcow2 -O raw web/box.qcow2 box.raw
	cp box.raw web/disk.raw
}

sha() { "sha${2:-256}sum" "$1" | cut -d' ' -f1; }
field() { jq -r ".$1" <<<"$output"; }

# The master of an image holds the bytes of FILE, is sealed and sparse.
is_master()
{
	local at=$VMPIPE_ROOT/images/$1

	cmp "$at/$1.raw" "$2"
	[ "$(stat -c %a "$at/$1.raw")" = 444 ]
	[ "$(stat -c %b "$at/$1.raw")" = 128 ]
	[ "$(sed 1d "$at/chunks")" = "$(sha "$2")" ]
	[ "$(head -1 "$at/chunks")" = "vmpipe-chunks 1 sha256 4194304 1048576" ]
	no_litter
}

@test "qcow2 over http, pinned: verified, rewritten, sealed; then no request" {
	serve "$PWD/web"
	sum=$(sha web/box.qcow2)
	status_is 0 vmfetch --checksum "sha256:$sum" "$url/box.qcow2"
	[ "$(field image.id)" = "$sum" ]
	[ "$(field image.alias)" = box ]
	[ "$(field image.generation)" = 1 ]
	[ "$(field image.virtual_size)" = 1048576 ]
	[ "$(field state)" = fetched ]
	[ "$(field spec.image.source)" = box ]
	is_master "$sum" box.raw
	wait_for has_requests 1 GET /box.qcow2
	before=$(snapshot)
	status_is 0 vmfetch --checksum "sha256:$sum" "$url/box.qcow2"
	stop_servers
	status_is 0 vmfetch --checksum "sha256:$sum" "$url/box.qcow2"
	[ "$(field image.generation)" = 1 ]
	has_requests 1 GET /box.qcow2
	[ "$before" = "$(snapshot)" ]
}

@test "raw, gz, xz, zst and bz2 give the same master under their own ids" {
	requires gzip xz zstd bzip2
	serve "$PWD/web"
	gzip -k web/disk.raw; xz -k web/disk.raw
	zstd -q web/disk.raw; bzip2 -k web/disk.raw
	gzip -k web/box.qcow2
	for file in disk.raw disk.raw.gz disk.raw.xz disk.raw.zst \
	    disk.raw.bz2 box.qcow2.gz; do
		sum=$(sha "web/$file" 512)
		status_is 0 vmfetch -a "${file//./-}" \
		    --checksum "sha512:$sum" "$url/$file"
		[ "$(field image.id)" = "$(sha "web/$file")" ]
		is_master "$(field image.id)" box.raw
		before=$(requests GET "/$file")
		status_is 0 vmfetch --checksum "sha512:$sum" "$url/$file"
		[ "$before" = 1 ]
		has_requests 1 GET "/$file"
	done
}

@test "paths, file: and stdin" {
	status_is 0 vmfetch ./box.raw
	[ "$(field image.alias)" = box ]
	status_is 0 vmfetch "file://$PWD/box.raw"
	[ "$(field image.generation)" = 1 ]
	status_is 0 vmfetch --image box.raw -a again
	[ "$(field image.alias)" = again ]
	xz -c box.raw >box.xz
	status_is 0 vmfetch -a piped --image - <box.xz
	is_master "$(sha box.xz)" box.raw
	status_is 64 vmfetch --image - <box.xz
	err_has "-a NAME"
	status_is 66 vmfetch ./none.raw
	err_has "none.raw"
	status_is 77 vmfetch "$PWD/"
}
