# vmfetch of every format: hostile files refused by our own readers, good ones
# the disk that was put in.
# shellcheck shell=bash disable=SC2154 # set by common.bash and bats

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

marking_qemu()
{
	mkdir bin
	printf '#!/bin/sh\ntouch %s/started; exit 1\n' "$PWD" >bin/qemu-img
	chmod +x bin/qemu-img
	PATH=$PWD/bin:$PATH
}

@test "hostile images of every format: refused by our own readers, with a code" {
	requires xz zstd lz4
	marking_qemu
	mkdir hostile
	"$top/test/lib/mkhostile.pl" hostile >table
	[ "$(wc -l <table)" -ge 150 ]
	sed 's,^,./hostile/,; s/\t.*//' table >names
	mapfile -t names <names
	[[ -n ${RUN:-} || $VMPIPE_BUILD == *san ]] || ulimit -v 800000
	status_is 65 vmfetch "${names[@]}"
	jq -r '"\(.state) \(.error.status) \(.error.code)"' <<<"$output" >got
	[ "$(wc -l <table)" = "$(wc -l <got)" ]
	paste table got |
	    awk -F'\t' '$NF !~ "^failed 65 (" $3 ")$"' >wrong
	[ ! -s wrong ] || { cat wrong; return 1; }
	[ ! -e started ]
	no_litter
	[ -z "$(ls "$VMPIPE_ROOT/images")" ]
}

# made FORMAT OPTION...: raw.img as a file of that format, then as a master.
made()
{
	local file=$2.${1/vpc/vhd}

	qemu-img convert -f raw -O "$1" -o "$2" "${@:3}" raw.img "$file"
	status_is 0 vmfetch -a x --checksum "sha256:$(sha "$file")" "./$file"
	cmp "$VMPIPE_ROOT/images/$(sha "$file")/$(sha "$file").raw" raw.img
	no_litter
}

@test "VMDK, VHD, VHDX and VDI: each kind gives the disk that was put in" {
	truncate -s 20M raw.img
	for at in 0 700 4096 9000 20479; do
		printf '%s' "sector $at" | dd of=raw.img bs=512 seek="$at" \
		    conv=notrunc status=none
	done
	head -c 3M /dev/urandom |
	    dd of=raw.img bs=1M seek=11 conv=notrunc status=none
	made vmdk subformat=monolithicSparse
	made vmdk subformat=monolithicSparse,zeroed_grain=on
	made vmdk subformat=streamOptimized -c
	made vpc subformat=dynamic,force_size=on
	made vpc subformat=fixed,force_size=on
	made vhdx subformat=dynamic
	made vhdx subformat=fixed
	made vhdx block_size=1M,log_size=2M
	made vdi static=off
	made vdi static=on
	# Without force_size a VHD has whole cylinders.
	truncate -s 20994048 raw.img
	made vpc subformat=dynamic
	made vpc subformat=fixed
}

@test "VMDK, VHD, VHDX and VDI of other makers, packed, by their names" {
	requires gzip xz zstd bzip2 lz4
	printf 'data%.0s' {1..1024} >data
	for format in vmdk stream vhd fixed vhdx vdi; do
		file=$format.${format/stream/vmdk}
		file=${file/fixed.fixed/fixed.vhd}
		"$top/test/lib/mkdisk.pl" $format >"$file"
		for pack in gzip:gz xz:xz zstd:zst bzip2:bz2 lz4:lz4; do
			"${pack%:*}" -c <"$file" >"$file.${pack#*:}"
			status_is 0 vmfetch -a x --refresh \
			    "./$file.${pack#*:}"
			id=$(field image.id)
			cmp -n 4096 "$VMPIPE_ROOT/images/$id/$id.raw" data
		done
	done
	no_litter
}

@test "a VHD in a VHD, a grain that is no deflate stream" {
	mkdisk=$top/test/lib/mkdisk.pl
	"$mkdisk" fixed >twice.vhd
	"$mkdisk" fixed current=0x3fe00 | tail -c 512 |
	    dd of=twice.vhd bs=512 seek=511 conv=notrunc status=none
	status_is 65 vmfetch ./twice.vhd
	[ "$(field error.code)" = ambiguous ]
	"$mkdisk" stream at=13844:ffffffffffff >grain.vmdk
	status_is 65 vmfetch ./grain.vmdk
	[ "$(field error.code)" = bad_data ]
	err_has "error while reading at byte 0"
	no_litter
	[ -z "$(ls "$VMPIPE_ROOT/images")" ]
}

@test "bombs: out of proportion, too large, twice compressed" {
	head -c 2000M /dev/zero | zstd -q >zeros.raw.zst
	status_is 65 vmfetch ./zeros.raw.zst
	[ "$(field error.code)" = bomb ]
	err_has "--max-size"
	status_is 0 vmfetch --max-size 2G ./zeros.raw.zst
	[ "$(du -s "$VMPIPE_ROOT" | cut -f1)" -lt 1000 ]
	status_is 65 vmfetch --max-size 1G -a again ./zeros.raw.zst --refresh
	[ "$(field error.code)" = virtual_size ]
	gzip -c box.raw | gzip >twice.raw.gz
	status_is 65 vmfetch ./twice.raw.gz
	[ "$(field error.code)" = bomb ]
	no_litter
}
