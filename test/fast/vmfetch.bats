# vmfetch against a real nginx, and against what may go wrong.
# shellcheck shell=bash disable=SC2154 # set by common.bash and bats

load ../lib/common
load ../lib/tls

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

@test "raw, gz, xz, zst, bz2 and lz4 give the same master under their own ids" {
	requires gzip xz zstd bzip2 lz4
	serve "$PWD/web"
	gzip -k web/disk.raw; xz -k web/disk.raw
	zstd -q web/disk.raw; bzip2 -k web/disk.raw
	lz4 -q web/disk.raw web/disk.raw.lz4
	gzip -k web/box.qcow2
	for file in disk.raw disk.raw.gz disk.raw.xz disk.raw.zst \
	    disk.raw.bz2 disk.raw.lz4 box.qcow2.gz; do
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

@test "a sha512 asked for later is asked for once" {
	serve "$PWD/web"
	status_is 0 vmfetch --insecure "$url/box.qcow2"
	sum=$(sha web/box.qcow2 512)
	status_is 0 vmfetch --checksum "sha512:$sum" "$url/box.qcow2"
	status_is 0 vmfetch --checksum "sha512:$sum" "$url/box.qcow2"
	wait_for has_requests 2 GET /box.qcow2
	is_master "$(sha web/box.qcow2)" box.raw
}

@test "https: a CA that is given, never one that is not, never down to http" {
	requires openssl
	serve_tls IP:127.0.0.1
	status_is 0 vmfetch --cacert ca.pem "$tls/box.qcow2"
	[ "$(field image.id)" = "$(sha web/box.qcow2)" ]
	status_is 77 vmfetch -a x "$tls/disk.raw"
	[ "$(field error.code)" = tls ]
	status_is 77 vmfetch -a x --insecure "$tls/disk.raw"
	status_is 77 vmfetch -a x --cacert ca.pem "$tls/down"
	[ "$(field error.code)" = downgrade ]
	status_is 66 vmfetch -a x --cacert none.pem "$tls/disk.raw"
	no_litter
}

@test "https: another host's certificate, an old protocol" {
	requires openssl
	serve_tls DNS:other.example
	status_is 77 vmfetch --cacert ca.pem "$tls/box.qcow2"
	stop_servers
	rm tls.pem
	serve_tls IP:127.0.0.1 TLSv1.1
	status_is 77 vmfetch --cacert ca.pem "$tls/box.qcow2"
	no_litter
}

@test "many fetchers of one source make one download" {
	serve "$PWD/web" 'limit_rate 500k;'
	for i in {1..8}; do
		vmfetch --insecure "$url/box.qcow2" >"out.$i" 3>&- &
		pids[i]=$!
	done
	for i in {1..8}; do wait "${pids[i]}"; done
	has_requests 1 GET /box.qcow2
	[ "$(cat out.* | jq -r '.image | "\(.id) \(.generation)"' | sort -u)" = \
	    "$(sha web/box.qcow2) 1" ]
	is_master "$(sha web/box.qcow2)" box.raw
}

@test "a manifest: one record per role, in order, its files taken in" {
	mkdir files
	echo key >files/key.pub
	echo secret >secret
	cat >shop.yaml <<-END
		vmpipe: 1
		service: shop
		roles:
		  web:
		    image: {source: ./web/box.qcow2}
		    after: [db]
		    customize:
		      - upload: {source: files/key.pub, path: /etc/key}
		      - user: {name: amy, ssh_keys: [{file: files/key.pub}]}
		    instance:
		      - root_password: {file: $PWD/secret}
		  db:
		    image:
		      source: ./web/box.qcow2
	END
	status_is 0 vmfetch shop.yaml
	[ "$(field role)" = "db
	web" ] || [ "$(field role | paste -sd,)" = db,web ]
	[ "$(field service | sort -u)" = shop ]
	[ "$(field image.id | sort -u)" = "$(sha web/box.qcow2)" ]
	web=$(tail -1 <<<"$output")
	key=$(sha files/key.pub)
	[ "$(jq -r .spec.customize[0].upload.sha256 <<<"$web")" = "$key" ]
	[ "$(jq -r .spec.customize[1].user.ssh_keys[0].sha256 <<<"$web")" = \
	    "$key" ]
	[ "$(jq -r .spec.instance[0].root_password.sha256 <<<"$web")" = \
	    "$(sha secret)" ]
	cmp "$VMPIPE_ROOT/files/$key" files/key.pub
	cmp "$VMPIPE_ROOT/files/$(sha secret)" secret
	[[ $output != *'"secret"'* ]]
	status_is 0 vmfetch -f shop.yaml --role web
	[ "$(field role)" = web ]
	status_is 0 vmfetch - <shop.yaml
	status_is 64 vmfetch --role none shop.yaml
	err_has "there is no role none"
}

@test "the same relative name in two manifests is two images" {
	for m in a b; do
		mkdir $m
		{ cat box.raw; head -c 512 /dev/zero | tr '\0' $m; } >$m/box.raw
		printf '%s\n' 'vmpipe: 1' "service: $m" \
		    'roles: {r: {image: {source: ./box.raw}}}' >$m/s.yaml
	done
	status_is 0 vmfetch a/s.yaml b/s.yaml
	[ "$(field image.id)" = "$(sha a/box.raw)
$(sha b/box.raw)" ]
}

@test "a manifest's files may not lead out of its directory" {
	mkdir m
	echo x >outside
	ln -s .. m/up
	for source in ../outside up/outside m/../../outside; do
		printf '%s\n' 'vmpipe: 1' 'service: s' 'roles:' '  r:' \
		    '    image: {source: ../box.raw}' '    customize:' \
		    "      - upload: {source: $source, path: /x}" >m/s.yaml
		status_is 65 vmfetch m/s.yaml
		[[ $source == *..* ]] ||
		    err_has "leads out of the manifest's directory"
	done
	sed -i 's,source: m.*outside,source: none,' m/s.yaml
	status_is 66 vmfetch m/s.yaml
	[ -z "$(ls -A "$VMPIPE_ROOT/files")" ]
}

@test "all that is wrong with a manifest is said, and nothing fetched" {
	printf '%s\n' 'vmpipe: 1' 'service: s' 'roles:' '  r:' \
	    '    image: {source: ./box.raw}' '    cpu: 1' '    memry: 1G' \
	    >bad.yaml
	status_is 65 vmfetch bad.yaml
	err_has "bad.yaml:6:"
	err_has "bad.yaml:7:"
	[ "$(field state)" = failed ]
}

@test "pull: never and always" {
	role='vmpipe: 1
service: s
roles: {r: {image: {source: ./box.raw, pull: PULL}}}'
	echo "${role/PULL/never}" >never.yaml
	echo "${role/PULL/always}" >always.yaml
	status_is 66 vmfetch never.yaml
	err_has "pull is never"
	status_is 0 vmfetch always.yaml
	status_is 0 vmfetch never.yaml
	printf x | dd of=box.raw conv=notrunc status=none
	status_is 0 vmfetch never.yaml
	[ "$(field image.generation)" = 1 ]
	status_is 0 vmfetch always.yaml
	[ "$(field image.generation)" = 2 ]
	[ "$(field image.id)" = "$(sha box.raw)" ]
}

@test "generations: refresh, all, back, and by id" {
	status_is 0 vmfetch -a box ./box.raw
	first=$(field image.id)
	printf x | dd of=box.raw conv=notrunc status=none
	status_is 0 vmfetch -a box ./box.raw
	[ "$(field image.generation)" = 1 ]
	status_is 0 vmfetch --refresh --all
	[ "$(field image.generation)" = 2 ]
	status_is 0 vmfetch -a box box@1
	[ "$(field image.id)" = "$first" ]
	status_is 0 vmfetch box
	[ "$(field image.generation)" = 1 ]
	status_is 0 vmfetch --refresh box
	[ "$(field image.generation)" = 2 ]
	status_is 0 vmfetch "${first:0:12}"
	[ "$(field image.id)" = "$first" ]
	status_is 0 vmfetch --checksum "sha256:$first" box@1
	status_is 65 vmfetch --checksum "sha256:$first" box@2
	status_is 66 vmfetch box@3
	status_is 66 vmfetch nobody
}

@test "two sources with one file name do not share an alias" {
	mkdir other
	cp box.raw other/box.raw
	printf x | dd of=other/box.raw conv=notrunc status=none
	status_is 0 vmfetch ./box.raw
	status_is 0 vmfetch ./other/box.raw
	[[ $(field image.alias) == box-?????? ]]
	[ "$(field image.generation)" = 1 ]
	status_is 0 vmfetch ./box.raw
	[ "$(field image.alias)" = box ]
}

@test "a name must hold what it says" {
	cp web/box.qcow2 lie.raw
	status_is 65 vmfetch ./lie.raw
	[ "$(field error.code)" = format_mismatch ]
	cp box.raw lie.qcow2
	status_is 65 vmfetch ./lie.qcow2
	err_has "by its name it is qcow2, by its contents raw"
	no_litter
}

# A qemu-img that leaves a mark when it is started.
marking_qemu()
{
	mkdir bin
	printf '#!/bin/sh\ntouch %s/started; exit 1\n' "$PWD" >bin/qemu-img
	chmod +x bin/qemu-img
	PATH=$PWD/bin:$PATH
}

@test "qcow2: what could do harm is refused, and qemu-img never started" {
	marking_qemu
	for args in backing=/etc/passwd incompatible=4 crypt=1 nb_snapshots=1 \
	    incompatible=16 virtual_size=0x80000000000 l1_offset=0x30001; do
		"$top/test/lib/mkqcow2.pl" "$args" >evil.qcow2
		status_is 65 vmfetch ./evil.qcow2
		no_litter
	done
	[ -z "$(ls "$VMPIPE_ROOT/images")" ]
	status_is 0 vmfetch ./web/box.qcow2
	[ ! -e started ]
}

# Hundreds of files in one call, each of them told by its own record.
@test "cut off, empty, one byte, and no disk at all" {
	gzip -c box.raw | head -c 500 >cut.raw.gz
	status_is 65 vmfetch ./cut.raw.gz
	: >empty.img
	status_is 65 vmfetch ./empty.img
	printf x >one.img
	status_is 65 vmfetch ./one.img
	head -c 300000 web/box.qcow2 >short.qcow2
	status_is 65 vmfetch ./short.qcow2
	echo '<html>' >page.img
	status_is 65 vmfetch ./page.img
	no_litter
	[ -z "$(ls "$VMPIPE_ROOT/images")" ]
}

@test "digests that are none" {
	good=$(sha box.raw)
	for bad in "$good" "sha256:${good:1}" "sha256:${good^^}" "md5:$good" \
	    "sha512:$good" "sha256:${good/[0-9a-f]/g}" sha256: ''; do
		status_is 64 vmfetch --checksum "$bad" ./box.raw
		err_has "lower-case hex"
	done
	status_is 0 vmfetch --checksum "sha256:$good" ./box.raw
}

@test "HTTP/2 where it is offered; a proxy where one is named, and not where not" {
	make_certificate tls IP:127.0.0.1
	port=$(free_port)
	serve "$PWD/web" "listen 127.0.0.1:$port ssl http2;
	    ssl_certificate $PWD/tls.pem; ssl_certificate_key $PWD/tls.key;"
	status_is 0 vmfetch --cacert ca.pem "https://127.0.0.1:$port/box.qcow2"
	grep -q 'GET /box.qcow2 HTTP/2' "$access_log"
	origin=$url
	serve "$PWD/web" "location / { proxy_pass http://\$http_host; }"
	pin=sha256:$(sha web/disk.raw)
	http_proxy=$url status_is 0 vmfetch --checksum "$pin" "$origin/disk.raw"
	has_requests 1 GET "$origin/disk.raw"
	rm -r "$VMPIPE_ROOT"
	http_proxy=$url no_proxy=127.0.0.1 status_is 0 vmfetch \
	    --checksum "$pin" "$origin/disk.raw"
	has_requests 1 GET "$origin/disk.raw"
}

@test "a file that changes while it is read: 75, and nothing is made of it" {
	truncate -s 256M changing.raw
	perl -e 'for (;;) { utime undef, undef, "changing.raw"; select undef,
	    undef, undef, 0.001 }' 3>&- 4>&- &
	servers+=($!)
	status_is 75 vmfetch ./changing.raw
	[ "$(field error.code)" = changed ]
	err_has "it was changed while it was read"
	stop_servers
	no_litter
	[ -z "$(ls "$VMPIPE_ROOT/images")" ]
	status_is 0 vmfetch ./changing.raw
}

@test "a full disk: 74, nothing left, and it works afterwards" {
	for fault in write:1:ENOSPC fsync:1:ENOSPC link:1:ENOSPC \
	    rename:1:ENOSPC fsync_dir:1:ENOSPC open:1:ENOSPC; do
		VMPIPE_FAULT=$fault status_is 74 vmfetch ./box.raw
		rm -rf "$VMPIPE_ROOT"
	done
	status_is 74 bash -c 'ulimit -f 100; exec vmfetch ./box.raw'
	no_litter
	status_is 0 vmfetch ./box.raw
}

@test "a damaged master is not used but fetched anew" {
	status_is 0 vmfetch ./box.raw
	at=$VMPIPE_ROOT/images/$(sha box.raw)
	chmod 644 "$at"/*.raw
	status_is 0 vmfetch ./box.raw
	err_has "fetching it anew"
	is_master "$(sha box.raw)" box.raw
	[ -n "$(ls "$VMPIPE_ROOT/quarantine")" ]
}

@test "a dry run touches nothing" {
	rm -rf "$VMPIPE_ROOT"
	status_is 0 vmfetch -n ./box.raw
	[ "$(field state),$(field image.alias)" = absent,box ]
	status_is 66 vmfetch -n box
	err_has 'box: no such alias; run: vmfetch -a box SOURCE'
	status_is 66 vmfetch -n ./none.raw
	err_is "vmfetch: $PWD/none.raw: No such file or directory"
	status_is 0 vmfetch -n --refresh --all
	[ ! -e "$VMPIPE_ROOT" ]
	status_is 0 vmfetch ./box.raw
	before=$(snapshot)
	status_is 0 vmfetch -n ./box.raw
	[ "$(field state)" = fetched ]
	[ "$before" = "$(snapshot)" ]
}

@test "what is asked for badly: told what to type, in an image's record" {
	status_is 66 vmfetch none.yaml
	[ "$(field kind)" = image ]
	status_is 64 vmfetch --refresh
	err_is 'vmfetch: no source: give a URL, a path, an alias or a manifest, or --refresh --all; run: vmfetch --help'
	status_is 64 vmfetch --all
	err_has 'run: vmfetch --help'
	vmfetch ./box.raw
	status_is 66 vmfetch box@9
	err_is 'vmfetch: box@9: no such generation; run: vmls -t image box'
}

@test "one that fails does not stop the others" {
	status_is 66 vmfetch ./none.raw ./box.raw
	[ "$(field state | paste -sd,)" = failed,fetched ]
	status_is 1 vmfetch ./none.raw web/box.qcow2 'http://x y/'
	status_is 64 vmfetch gopher://localhost/x
	err_has "only http, https, ftp, ftps, file, ssh, s3 and oci"
}

@test "wrong command lines" {
	status_is 64 vmfetch
	status_is 64 vmfetch -a x ./a.raw ./b.raw
	status_is 64 vmfetch --all
	status_is 64 vmfetch --refresh --all ./box.raw
	status_is 64 vmfetch --role x ./box.raw
	status_is 64 vmfetch -a 'Bad/Name' ./box.raw
	status_is 64 vmfetch file://host/x.raw
}

@test "a manifest's data disks: their images are fetched too, or the role fails" {
	head -c 65536 /dev/urandom >base.raw
	head -c 65536 /dev/urandom >tools.raw
	cat >m.yaml <<-END
		vmpipe: 1
		service: shop
		roles:
		  db: {image: {source: ./base.raw}}
		  web:
		    image: {source: ./base.raw}
		    disks: [{name: t, image: tools}, {name: empty, size: 1G}]
	END
	status_is 66 vmfetch m.yaml
	[[ $(jq -r '[.role, .state] | @tsv' <<<"$output") == \
	    $'db\tfetched\nweb\tfailed' ]]
	err_is 'vmfetch: shop/web: disk t: tools: no such alias; run: vmfetch -a tools SOURCE'
	vmfetch -qa tools ./tools.raw >/dev/null
	status_is 0 vmfetch m.yaml
	[[ $(jq -r .state <<<"$output" | uniq) == fetched ]]
	[[ $(jq -r .role <<<"$output" | paste -sd ' ') == 'db web' ]]
}
