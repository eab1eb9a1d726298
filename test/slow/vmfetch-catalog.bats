# vmfetch NAME: catalogues in the formats of virt-builder and simplestreams.
# shellcheck shell=bash disable=SC2154 # set by common.bash and bats

load ../lib/common
load ../lib/tls

setup_file()
{
	export GNUPGHOME=$BATS_FILE_TMPDIR/gpg KEYS=$BATS_FILE_TMPDIR/keys
	command -v gpg gpgv >/dev/null || return 0
	mkdir -m 700 "$GNUPGHOME" "$KEYS"
	for key in good other; do
		gpg_do --quick-gen-key $key ed25519 sign 10d
		gpg_do --export $key >"$KEYS/$key.gpg"
	done
}

teardown_file()
{
	[[ ! -d $GNUPGHOME ]] || gpgconf --kill gpg-agent || :
}

gpg_do() { gpg --batch --quiet --no-tty --yes --passphrase '' "$@" 2>/dev/null; }
clearsign() { gpg_do -u "$1" -o "$3" --clearsign "$2"; }

setup()
{
	fresh
	unset VMPIPE_CATALOG VMPIPE_CATALOG_KEYRING
	mkdir web
	"$top/test/lib/mkqcow2.pl" >box.qcow2
	qemu-img convert -O raw box.qcow2 web/box.raw
	xz -k web/box.raw
	sum=$(sha256sum web/box.raw.xz | cut -d' ' -f1)
	arch=$(uname -m)
	dpkg=$(dpkg --print-architecture)
}

sha512() { sha512sum "$1" | cut -d' ' -f1; }
alias_is() { [ "$(jq -r .image.alias <<<"$output")" = "$1" ]; }
id_is() { [ "$(jq -r .image.id <<<"$output")" = "$1" ]; }

# An index as virt-builder's: three images, one of them for two machines.
index()
{
	cat >web/index <<-END
		[old-9]
		name=Old 9
		arch=$arch
		file=old.raw.xz
		checksum[sha512]=$(printf %0128d 7)
		format=raw

		[debian-12]
		name=Debian 12 (bookworm)
		arch=vax
		file=vax.raw.xz
		revision=99

		[debian-12]
		name=Debian 12 (bookworm)
		osinfo=debian12
		arch=$arch
		file=box.raw.xz
		revision=9
		checksum[sha512]=$(sha512 web/box.raw.xz)
		format=raw
		size=6442450944
		aliases=debian/bookworm stable
		notes=Debian 12.
		 
		  Of several lines.

		[debian-12]
		arch=$arch
		file=older.raw.xz
		revision=8
		checksum[sha512]=$(printf %0128d 8)
	END
}

# simplestreams below web/s/; JSON as an argument is the disk's entry.
streams()
{
	mkdir -p web/s/streams/v1 web/s/server
	cp box.qcow2 web/s/server/new.img
	cp box.qcow2 web/s/server/old.img
	img=$(sha256sum box.qcow2 | cut -d' ' -f1)
	jq -n '{format: "index:1.0", index: {
	    "com.example:aws": {datatype: "image-ids", path: "streams/v1/no"},
	    "com.example:download": {datatype: "image-downloads",
		path: "streams/v1/com.example:download.json",
		format: "products:1.0"}}}' >web/s/streams/v1/index.json
	jq -n --arg arch "$dpkg" --arg img "$img" --arg old "$(printf %064d 1)" '
	    def item(t; p; s): {ftype: t, path: p, sha256: s, size: 9};
	    def product(a): {os: "ubuntu", arch: a, release: "noble",
		version: "24.04", aliases: "24.04,n,noble,lts", versions: {
		"20240423": {items: {"disk1.img": item("disk1.img";
		    "server/old.img"; $old)}},
		"20241004.1": {items: {
		    "x.tar.gz": item("tar.gz"; "server/x.tar.gz"; $old),
		    "disk1.img": item("disk1.img"; "server/new.img"; $img)}},
		"20251231": {items: {"manifest": item("manifest";
		    "server/m"; $old)}}}};
	    # as LXD and Incus have it: variants of one release
	    def variant(v; p): {os: "Debian", arch: $arch, release: "bookworm",
		variant: v, aliases: ("debian/bookworm/\(v),debian/12/\(v)" +
		if v == "default" then ",debian/bookworm,debian/12" else ""
		end), versions: {"\(if v == "cloud" then 2025 else 2024 end
		)0101_05:24": {items: {"disk.qcow2": item("disk-kvm.img"; p;
		$img), "root.squashfs": item("squashfs"; "r"; $old)}}}};
	    {format: "products:1.0", products: {
		"debian:bookworm:default": variant("default"; "server/d.qcow2"),
		"debian:bookworm:cloud": variant("cloud"; "server/c.qcow2"),
		"com.example:server:24.04:vax": product("vax"),
		"com.example:server:24.04:own": product($arch)}}' \
	    >web/s/streams/v1/com.example:download.json
}

@test "a name in virt-builder's index: the newest one for this machine" {
	index
	serve_tls IP:127.0.0.1
	status_is 0 vmfetch --cacert ca.pem --catalog "$tls/index" debian-12
	err_is ''
	id_is "$sum"
	alias_is debian-12
	facts=$VMPIPE_ROOT/images/$sum/image.json
	[ "$(jq -r .source "$facts")" = "$tls/box.raw.xz" ]
	[ "$(jq -r .trust.by "$facts")" = catalog ]
	# an alias now: nobody is asked, whatever is said
	: >"$access_log"
	status_is 0 vmfetch --catalog http://127.0.0.1:1/ debian-12
	id_is "$sum"
	[ ! -s "$access_log" ]
}

@test "an index that is a file, with CRLF; an image's other names" {
	index
	sed -i 's/$/\r/' web/index
	status_is 0 vmfetch --catalog web/index stable
	id_is "$sum"
	alias_is stable
	status_is 0 vmfetch --catalog web/index debian/bookworm
	alias_is debian-bookworm
	cd web
	status_is 0 vmfetch --catalog index -a mine Debian-12
	alias_is mine
}

@test "a name that is in no catalogue, with the nearest that is" {
	index
	: >empty.ini
	echo '[other]' >>empty.ini
	status_is 66 vmfetch --catalog empty.ini --catalog web/index debain-12
	err_has 'neither in the store nor, for this machine, in a catalogue'
	err_has 'run: vmfetch debian-12'
	status_is 66 vmfetch debian-12
	err_has 'no such alias'
	status_is 66 vmfetch --offline --catalog web/index debian-12
	[ -z "$(ls "$VMPIPE_ROOT/images")" ]
}

@test "VMPIPE_CATALOG: the catalogues when none is said" {
	index
	echo '[other]' >other.ini
	export VMPIPE_CATALOG=" $PWD/other.ini $PWD/web/index"
	status_is 0 vmfetch debian-12
	id_is "$sum"
	cat >shop.yaml <<-END
		vmpipe: 1
		service: shop
		roles:
		  web:
		    image: {source: stable}
	END
	status_is 0 vmfetch shop.yaml
	alias_is stable
	status_is 66 vmfetch --catalog other.ini mine
}

@test "a refresh asks the catalogue that it came from" {
	index
	status_is 0 vmfetch -a mine --catalog web/index debian-12
	truncate -s 3M web/new.raw
	new=$(sha256sum web/new.raw | cut -d' ' -f1)
	cat >>web/index <<-END

		[debian-12]
		arch=$arch
		file=new.raw
		revision=10
		checksum[sha256]=$new
	END
	status_is 0 vmfetch mine
	id_is "$sum"
	status_is 0 vmfetch --refresh --all
	id_is "$new"
	alias_is mine
	[ "$(jq -r .image.generation <<<"$output")" = 2 ]
	status_is 0 vmfetch --refresh mine
	[ "$(jq -r .image.generation <<<"$output")" = 2 ]
	rm web/index
	status_is 66 vmfetch --refresh mine
	# an alias of another origin stays with that
	cp web/new.raw other.raw
	status_is 0 vmfetch -a debian-12 ./other.raw
	index
	status_is 0 vmfetch --refresh --catalog web/index debian-12
	id_is "$new"
}

@test "all that a catalogue has, as a list and fetched" {
	index
	streams
	touch web/old.raw.xz web/s/server/{c,d}.qcow2
	status_is 0 vmfetch -n --all --catalog web/index --catalog web/s/ \
	    -Ho image.alias,state
	out_is "$(printf '%s\tabsent\n' old-9 debian-12 \
	    debian-bookworm-default debian-bookworm-cloud ubuntu-24.04)"
	[ ! -e "$VMPIPE_ROOT" ]
	cat >>web/index <<-END

		[debian-11]
		arch=$arch
		file=box.raw
	END
	status_is 65 vmfetch --all --catalog web/index -Ho image.alias,state
	[ "$(grep -c fetched <<<"$output")" = 2 ]
	[ "$(grep -c failed <<<"$output")" = 1 ]
	status_is 64 vmfetch --all --catalog web/index debian-12
	status_is 64 vmfetch --all -a x --catalog web/index
	status_is 64 vmfetch --all
	status_is 66 vmfetch --all --catalog none
}

@test "a lock file keeps what a name in a catalogue meant" {
	index
	status_is 0 vmfetch --lock images.lock --catalog web/index debian-12
	rm -r "$VMPIPE_ROOT" web/index
	status_is 0 vmfetch --lock images.lock --locked debian-12
	id_is "$sum"
	status_is 0 vmfetch -n --catalog web/index debian-12
}

@test "a dry run says what a name would be, and touches nothing" {
	index
	status_is 0 vmfetch -n --catalog web/index debian-12
	[ "$(jq -r .state <<<"$output")" = absent ]
	alias_is debian-12
	[ ! -e "$VMPIPE_ROOT" ]
}

@test "a catalogue that cannot be reached: what is here will do, or must not" {
	index
	serve_tls IP:127.0.0.1
	status_is 0 vmfetch --cacert ca.pem --catalog "$tls/index" debian-12
	stop_servers
	status_is 0 vmfetch --cacert ca.pem --refresh debian-12
	err_has 'what is here is used'
	id_is "$sum"
	status_is 69 vmfetch --cacert ca.pem --refresh=must debian-12
}

@test "a signed catalogue: by the right key, by another, changed, by nobody" {
	requires gpg gpgv
	index
	clearsign good web/index web/signed
	status_is 0 vmfetch --keyring "$KEYS/good.gpg" --catalog web/signed \
	    debian-12
	id_is "$sum"
	[[ $(jq -r .trust.by "$VMPIPE_ROOT/images/$sum/image.json") == signature:* ]]
	# the same is asked for when it is refreshed
	clearsign other web/index web/signed
	status_is 77 vmfetch --refresh debian-12
	[ "$(jq -r .error.code <<<"$output")" = unknown_key ]
	clearsign good web/index web/signed
	sed -i 's/^revision=9/revision=7/' web/signed
	status_is 77 vmfetch -a two --keyring "$KEYS/good.gpg" \
	    --catalog web/signed stable
	[ "$(jq -r .error.code <<<"$output")" = bad_signature ]
	status_is 77 vmfetch -a two --keyring "$KEYS/good.gpg" \
	    --catalog web/index stable
	[ "$(jq -r .error.code <<<"$output")" = no_signature ]
	gpg_do -u good -o web/index.gpg --detach-sign web/index
	VMPIPE_CATALOG=$PWD/web/index VMPIPE_CATALOG_KEYRING=$KEYS/good.gpg \
	    status_is 0 vmfetch stable
	# the armour alone is no hindrance where no key is asked for
	clearsign other web/index web/signed
	status_is 0 vmfetch -a three --catalog web/signed debian-12
}

@test "plain http: only what is signed, or with --insecure; the image by http too" {
	requires gpg gpgv
	index
	clearsign good web/index web/index.asc
	serve "$PWD/web"
	status_is 77 vmfetch --catalog "$url/index" debian-12
	err_has 'a catalogue by plain http'
	status_is 64 vmfetch --insecure --keyring "$KEYS/good.gpg" \
	    --catalog "$url/index.asc" debian-12
	status_is 0 vmfetch --keyring "$KEYS/good.gpg" \
	    --catalog "$url/index.asc" debian-12
	id_is "$sum"
	status_is 0 vmfetch --insecure -a two --catalog "$url/index" stable
	sed -i '/^checksum/d' web/index
	clearsign good web/index web/index.asc
	# no digest there: then the image's own checksums must be signed
	status_is 66 vmfetch -a three --keyring "$KEYS/good.gpg" \
	    --catalog "$url/index.asc" old-9
	err_has 'no checksums beside it'
}

@test "another image than the catalogue says" {
	index
	printf x >>web/box.raw.xz
	status_is 65 vmfetch --catalog web/index debian-12
	[ "$(jq -r .error.code <<<"$output")" = digest_mismatch ]
	qemu-img convert -O qcow2 box.qcow2 web/box.raw.xz
	index
	status_is 65 vmfetch --catalog web/index debian-12
	[ "$(jq -r .error.code <<<"$output")" = format_mismatch ]
	no_litter
}

@test "catalogues that are none, or say one thing and another" {
	index
	cat >>web/index <<-END

		[debian-12]
		arch=$arch
		revision=9
		file=old.raw.xz
	END
	status_is 65 vmfetch --catalog web/index debian-12
	[ "$(jq -r .error.code <<<"$output")" = ambiguous ]
	for place in /etc/shadow ../x a/../../x file:///etc/shadow \
	    ssh://h/x 'a b' ''; do
		printf '[x]\narch=%s\nfile=%s\n' "$arch" "$place" >bad
		status_is 65 vmfetch --catalog bad x
		[ "$(jq -r .error.code <<<"$output")" = bad_catalog ]
	done
	printf '[x]\narch=%s\nfile=x\nchecksum=12\n' "$arch" >bad
	status_is 65 vmfetch --catalog bad x
	for text in '' 'x=1' 'hello' '{}' '{"index":5}' '{' '[' \
	    '<html></html>' $'[x]\nfile'; do
		printf %s "$text" >bad
		status_is 65 vmfetch --catalog bad x
	done
	mkdir -p streams/v1
	for text in '{}' '{' '{"index":5}'; do
		printf %s "$text" >streams/v1/index.json
		status_is 65 vmfetch --catalog ./ x
		[ "$(jq -r .error.code <<<"$output")" = bad_catalog ]
	done
	status_is 66 vmfetch --catalog none x
	truncate -s 33M bad
	status_is 65 vmfetch --catalog bad x
	err_has 'more than'
	no_litter
}

@test "simplestreams: the newest version that has a disk, by any of its names" {
	streams
	serve_tls IP:127.0.0.1
	for name in ubuntu-24.04 ubuntu/noble noble lts; do
		status_is 0 vmfetch --cacert ca.pem --catalog "$tls/s/" "$name"
		id_is "$img"
		alias_is "${name//\//-}"
	done
	[ "$(jq -r .source "$VMPIPE_ROOT/images/$img/image.json")" = \
	    "$tls/s/server/new.img" ]
	status_is 0 vmfetch -a doc --cacert ca.pem \
	    --catalog "$tls/s/streams/v1/com.example:download.json" noble
	status_is 0 vmfetch -a file --catalog web/s/ noble
	status_is 66 vmfetch --catalog web/s/ ubuntu-24.4
	err_has 'run: vmfetch ubuntu-24.04'
}

@test "simplestreams: the variant that is asked for" {
	streams
	cp box.qcow2 web/s/server/d.qcow2
	mv web/s/server/d.qcow2 web/s/server/c.qcow2
	status_is 0 vmfetch --catalog web/s/ debian/12/cloud
	id_is "$img"
	rm -r "$VMPIPE_ROOT"
	status_is 66 vmfetch --catalog web/s/ debian-bookworm
	err_has 'server/d.qcow2'
	cp box.qcow2 web/s/server/d.qcow2
	status_is 0 vmfetch --catalog web/s/ debian-bookworm
	status_is 66 vmfetch --catalog web/s/ bookworm
}

@test "simplestreams: signed documents, each of them" {
	requires gpg gpgv
	streams
	dir=web/s/streams/v1
	clearsign good $dir/com.example:download.json $dir/com.example:download.sjson
	sed -i 's/download.json/download.sjson/' $dir/index.json
	clearsign good $dir/index.json $dir/index.sjson
	status_is 0 vmfetch --keyring "$KEYS/good.gpg" --catalog web/s/ noble
	id_is "$img"
	clearsign other $dir/com.example:download.json \
	    $dir/com.example:download.sjson
	status_is 77 vmfetch --keyring "$KEYS/good.gpg" --catalog web/s/ lts
	err_has 'com.example:download.sjson'
	[ "$(jq -r .error.code <<<"$output")" = unknown_key ]
}

@test "credentials go to the catalogue's server, and to no other" {
	index
	echo amy:secret >auth && chmod 600 auth
	printf 'amy:%s\n' "$(openssl passwd -6 secret)" >users
	serve_tls IP:127.0.0.1,DNS:localhost '' "auth_basic x; auth_basic_user_file $PWD/users;"
	status_is 0 vmfetch --cacert ca.pem --auth-file auth \
	    --catalog "$tls/index" debian-12
	id_is "$sum"
	# the same image by another name of the server is somewhere else
	host=${tls/127.0.0.1/localhost}
	sed -i "s|^file=box|file=$host/box|" web/index
	rm -r "$VMPIPE_ROOT"
	status_is 77 vmfetch --cacert ca.pem --auth-file auth \
	    --catalog "$tls/index" debian-12
	err_has "$host/box.raw.xz: HTTP 401"
}

@test "a signed catalogue without a digest vouches for no bytes" {
	requires gpg gpgv
	index
	clearsign good web/index web/signed
	status_is 0 vmfetch --catalog web/signed --keyring "$KEYS/good.gpg" \
	    debian-12
	mv web/box.raw.xz web/new.raw.xz
	sed -i '/^checksum/d; s/box.raw/new.raw/; s/=9$/=10/' web/index
	rm web/signed
	clearsign good web/index web/signed
	status_is 66 vmfetch --refresh debian-12
	[ "$(jq -r .error.code <<<"$output")" = no_checksums ]
	export VMPIPE_CATALOG=$PWD/web/signed
	VMPIPE_CATALOG_KEYRING=$KEYS/good.gpg status_is 66 vmfetch stable
}
