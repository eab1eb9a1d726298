# vmfetch: which bytes are the right ones: checksums, signatures, lock files,
# TLS, credentials.  Against a real nginx, with keys made here.
# shellcheck shell=bash disable=SC2154 # set by common.bash and bats

load ../lib/common
load ../lib/tls

# One set of OpenPGP keys for all cases: good, other, expired, revoked.
setup_file()
{
	export GNUPGHOME=$BATS_FILE_TMPDIR/gpg KEYS=$BATS_FILE_TMPDIR/keys
	command -v gpg gpgv >/dev/null || return 0
	mkdir -m 700 "$GNUPGHOME" "$KEYS"
	make_key good
	make_key other
	make_key expired --faked-system-time 20200101T000000
	make_key revoked
	make_key old --faked-system-time 20200101T000000 never
	gpg_do --armor --export good >"$KEYS/good.asc"
	# revoked elsewhere, so that it can still sign here
	mkdir -m 700 "$KEYS/home"
	gpg_do --homedir "$KEYS/home" --import "$KEYS/revoked.gpg"
	sed 's/^:-/-/' "$GNUPGHOME"/openpgp-revocs.d/"$(fingerprint revoked)".rev |
	    gpg_do --homedir "$KEYS/home" --import
	gpg_do --homedir "$KEYS/home" --export revoked >"$KEYS/revoked.gpg"
}

teardown_file()
{
	[[ ! -d $GNUPGHOME ]] || gpgconf --kill gpg-agent || :
}

gpg_do() { gpg --batch --quiet --no-tty --yes --passphrase '' "$@" 2>/dev/null; }
fingerprint() { gpg_do --with-colons -k "$1" | sed -n 's/^fpr:*\(\w*\):.*/\1/p'; }
# make_key NAME [OPTION VALUE [EXPIRES]]
make_key()
{
	gpg_do "${@:2:2}" --quick-gen-key "$1" ed25519 sign "${4:-10d}"
	gpg_do --export "$1" >"$KEYS/$1.gpg"
}

setup()
{
	fresh
	mkdir web
	"$top/test/lib/mkqcow2.pl" >web/box.qcow2
}

# sign KEY [OPTION...] FILE: FILE.gpg, detached.
sign()
{
	local key=$1 file=${*: -1}

	shift
	gpg_do "${@:1:$#-1}" -u "$key" -o "$file.gpg" --detach-sign "$file"
}
clearsign() { gpg_do -u "$1" -o "$2.signed" --clearsign "$2" && mv "$2.signed" "$2"; }

sha() { sha256sum "$1" | cut -d' ' -f1; }
sha512() { sha512sum "$1" | cut -d' ' -f1; }
field() { jq -r ".$1" <<<"$output"; }
got_it() { [[ $(field image.id) == "$(sha "${1:-web/box.qcow2}")" ]]; }
code_is() { [[ $(field error.code) == "$1" ]] || explain "code is not $1"; }
# sums FILE...: SHA256SUMS in web/.
sums() { (cd web && sha256sum "$@" >SHA256SUMS); }
nothing_there()
{
	no_litter
	[[ -z $(ls "$VMPIPE_ROOT/images" 2>/dev/null) ]]
}
# A digest that is not this file's.
wrong() { printf '%064d' 0; }

# --- checksums ----------------------------------------------------------------

@test "Debian's shape: SHA512SUMS beside an image is found without being asked" {
	serve_tls IP:127.0.0.1
	mkdir web/bookworm
	mv web/box.qcow2 web/bookworm/debian-12-generic-amd64.qcow2
	(cd web/bookworm && echo other >debian-12-generic-amd64.raw &&
	    sha512sum debian-* >SHA512SUMS)
	image=$tls/bookworm/debian-12-generic-amd64.qcow2
	status_is 0 vmfetch -v --cacert ca.pem "$image"
	err_has "its digest is in $tls/bookworm/SHA512SUMS"
	got_it web/bookworm/debian-12-generic-amd64.qcow2
	[ "$(jq -r .trust.by "$VMPIPE_ROOT"/images/*/image.json)" = checksums ]
	has_requests 1 GET /bookworm/SHA512SUMS
	status_is 0 vmfetch --cacert ca.pem "$image"
	has_requests 1 GET /bookworm/SHA512SUMS
	sed -i 's/^[0-9a-f]*\(.*qcow2\)$/'"$(wrong)$(wrong)"'\1/' \
	    web/bookworm/SHA512SUMS
	status_is 65 vmfetch --cacert ca.pem --refresh "$image"
	code_is digest_mismatch
	err_has "$image: it is not what was asked for: sha512 is $(sha512 \
	    web/bookworm/debian-12-generic-amd64.qcow2), expected $(wrong)$(wrong)"
	no_litter
}

@test "https: no checksums, or none of our file, is fine unless asked for" {
	serve_tls IP:127.0.0.1 TLSv1.3 'location = /CHECKSUM { return 400; }'
	status_is 66 vmfetch --cacert ca.pem --checksums auto "$tls/box.qcow2"
	code_is no_checksums
	status_is 66 vmfetch --cacert ca.pem --verify=checksum "$tls/box.qcow2"
	echo x >web/x
	sums x
	status_is 65 vmfetch --cacert ca.pem --checksums auto "$tls/box.qcow2"
	code_is not_in_checksums
	err_has "run: vmfetch --checksums URL"
	nothing_there
	status_is 0 vmfetch --cacert ca.pem "$tls/box.qcow2"
	got_it
	status_is 65 vmfetch --cacert ca.pem --verify=checksum "$tls/box.qcow2"
	sums box.qcow2
	status_is 0 vmfetch --cacert ca.pem --verify=checksum "$tls/box.qcow2"
}

@test "--verify=no uses no checksums that nobody named" {
	serve_tls IP:127.0.0.1
	echo "$(wrong)  box.qcow2" >web/SHA256SUMS
	status_is 65 vmfetch --cacert ca.pem "$tls/box.qcow2"
	status_is 0 vmfetch --cacert ca.pem --verify=no "$tls/box.qcow2"
	has_requests 1 GET /SHA256SUMS
}

@test "without our file, or twice with different digests: 65" {
	sums box.qcow2
	status_is 0 vmfetch --checksums web/SHA256SUMS web/box.qcow2
	rm -r "$VMPIPE_ROOT"
	sed -i 's/box/other/' web/SHA256SUMS
	status_is 65 vmfetch --checksums web/SHA256SUMS web/box.qcow2
	code_is not_in_checksums
	err_has "web/SHA256SUMS: no digest of box.qcow2 among the 1 in it"
	sums box.qcow2
	echo "$(wrong)  box.qcow2" >>web/SHA256SUMS
	status_is 65 vmfetch --checksums web/SHA256SUMS web/box.qcow2
	code_is bad_checksums
	md5sum web/box.qcow2 | sed 's,web/,,' >web/SHA256SUMS
	status_is 65 vmfetch --checksums web/SHA256SUMS web/box.qcow2
	err_has "neither SHA-256 nor SHA-512"
	status_is 66 vmfetch --checksums web/none web/box.qcow2
	head -c 2M /dev/zero >web/SHA256SUMS
	status_is 65 vmfetch --checksums web/SHA256SUMS web/box.qcow2
	code_is too_large
	nothing_there
}

@test "a bare digest in a file that is of all images is of none" {
	sha web/box.qcow2 >web/SHA256SUMS
	status_is 65 vmfetch --checksums auto web/box.qcow2
	code_is not_in_checksums
	err_has "SHA256SUMS: a digest without a name"
	sha web/box.qcow2 >web/box.qcow2.sha256
	status_is 0 vmfetch --checksums auto web/box.qcow2
	rm -r "$VMPIPE_ROOT"
	status_is 0 vmfetch --checksums web/SHA256SUMS web/box.qcow2
}

@test "what is there is looked up in other checksums too" {
	sums box.qcow2
	status_is 0 vmfetch --checksums web/SHA256SUMS web/box.qcow2
	echo "$(wrong)  box.qcow2" >web/others
	status_is 65 vmfetch --checksums web/others web/box.qcow2
	code_is digest_mismatch
	status_is 65 vmfetch --checksums web/others box
	cp web/SHA256SUMS web/others
	status_is 0 vmfetch --checksums web/others box
	status_is 0 vmfetch --checksums web/others --offline box
}

@test "a bare digest in a file of its own, names with blanks and percents" {
	sha web/box.qcow2 >web/box.qcow2.sha256
	status_is 0 vmfetch --checksums auto web/box.qcow2
	got_it
	rm -r "$VMPIPE_ROOT"
	mv web/box.qcow2 'web/a b%.qcow2'
	serve_tls IP:127.0.0.1
	sums 'a b%.qcow2'
	status_is 0 vmfetch --cacert ca.pem --checksums auto \
	    "$tls/a%20b%25.qcow2?x=1"
	got_it 'web/a b%.qcow2'
}

@test "plain http: checksums by http prove nothing, by https or signed they do" {
	serve_tls IP:127.0.0.1
	sums box.qcow2
	status_is 77 vmfetch --checksums auto "$url/box.qcow2"
	code_is insecure
	status_is 77 vmfetch --checksums "$url/SHA256SUMS" "$url/box.qcow2"
	code_is insecure
	has_requests 0 GET /SHA256SUMS
	status_is 0 vmfetch --cacert ca.pem --checksums "$tls/SHA256SUMS" \
	    "$url/box.qcow2"
	got_it
}

@test "checksums by plain http prove nothing of an https image or its mirrors" {
	serve_tls IP:127.0.0.1
	sums box.qcow2
	get() { vmfetch --cacert ca.pem --checksums "$url/SHA256SUMS" "$@"; }
	status_is 77 get --mirror "$url/box.qcow2" "$tls/none/box.qcow2"
	code_is insecure
	status_is 77 get "$tls/box.qcow2"
	status_is 77 get web/box.qcow2
	has_requests 0 GET /SHA256SUMS
	nothing_there
	status_is 0 get --insecure "$tls/box.qcow2"
	got_it
}

@test "what excludes each other" {
	sum=sha256:$(wrong)
	status_is 64 vmfetch --checksum "$sum" --checksums auto web/box.qcow2
	status_is 64 vmfetch --checksum "$sum" --keyring k web/box.qcow2
	status_is 64 vmfetch --signature s web/box.qcow2
	err_has "--keyring FILE"
	status_is 64 vmfetch --verify=signature web/box.qcow2
	status_is 64 vmfetch --verify=no --checksums auto web/box.qcow2
	status_is 64 vmfetch --verify=maybe web/box.qcow2
	status_is 64 vmfetch --insecure --keyring k http://127.0.0.1:1/x
	err_has "exclude each other"
	status_is 64 vmfetch --checksums auto web/box.qcow2 web/other
	status_is 64 vmfetch -a x --checksums auto --image - <web/box.qcow2
	status_is 64 vmfetch --locked web/box.qcow2
	status_is 64 vmfetch --lock l --locked --refresh web/box.qcow2
	status_is 64 vmfetch --key k web/box.qcow2
	status_is 64 vmfetch --auth-file f --auth-fd 5 web/box.qcow2
	nothing_there
}

# --- signatures ---------------------------------------------------------------

@test "Ubuntu's shape: an .img, SHA256SUMS and SHA256SUMS.gpg, by plain http" {
	requires gpg gpgv
	mkdir web/noble
	mv web/box.qcow2 web/noble/noble-server-cloudimg-amd64.img
	(cd web/noble && sha256sum --binary noble* >SHA256SUMS)
	sign good web/noble/SHA256SUMS
	serve "$PWD/web"
	image=$url/noble/noble-server-cloudimg-amd64.img
	status_is 0 vmfetch --keyring "$KEYS/good.gpg" "$image"
	got_it web/noble/noble-server-cloudimg-amd64.img
	[ "$(jq -r .trust.by "$VMPIPE_ROOT"/images/*/image.json)" = \
	    "signature:$(sha "$KEYS/good.gpg")" ]
	has_requests 1 GET /noble/SHA256SUMS.gpg
	status_is 0 vmfetch --keyring "$KEYS/good.gpg" "$image"
	has_requests 1 GET /noble/SHA256SUMS.gpg
	# another keyring: what is there is not verified by that
	status_is 77 vmfetch --keyring "$KEYS/other.gpg" "$image"
	code_is unknown_key
	err_has "run: vmfetch --keyring FILE"
	has_requests 1 GET "${image#"$url"}"
}

@test "Fedora's shape: a clearsigned CHECKSUM in BSD's form, an armoured key" {
	requires gpg gpgv
	{
		echo "# box.qcow2: 393216 bytes"
		(cd web && sha256sum --tag box.qcow2)
	} >web/Fedora-Cloud-41-CHECKSUM
	clearsign good web/Fedora-Cloud-41-CHECKSUM
	serve "$PWD/web"
	get() { vmfetch --checksums "$url/Fedora-Cloud-41-CHECKSUM" \
	    --keyring "$1" "$url/box.qcow2"; }
	status_is 77 get "$KEYS/other.gpg"
	code_is unknown_key
	status_is 0 get "$KEYS/good.asc"
	got_it
	rm -r "$VMPIPE_ROOT"
	# what stands outside of what was signed does not count
	echo "SHA256 (box.qcow2) = $(wrong)" >>web/Fedora-Cloud-41-CHECKSUM
	status_is 0 get "$KEYS/good.asc"
	got_it
	rm -r "$VMPIPE_ROOT"
	cp web/Fedora-Cloud-41-CHECKSUM keep
	gpg_do -u other --armor --sign -o - web/box.qcow2 >>web/Fedora-Cloud-41-CHECKSUM
	status_is 77 get "$KEYS/good.asc"
	code_is bad_signature
	mv keep web/Fedora-Cloud-41-CHECKSUM
	sed -i '$d; s/^# box/# Box/' web/Fedora-Cloud-41-CHECKSUM
	status_is 77 get "$KEYS/good.asc"
	code_is bad_signature
	nothing_there
}

@test "signatures that are not good: 77, and why" {
	requires gpg gpgv
	sums box.qcow2
	serve "$PWD/web"
	get() { vmfetch --checksums auto --signature "$url/SHA256SUMS.gpg" \
	    --keyring "$1" "$url/box.qcow2"; }
	status_is 66 get "$KEYS/good.gpg"
	sign other web/SHA256SUMS
	status_is 77 get "$KEYS/good.gpg"
	code_is unknown_key
	err_has "run: vmfetch --keyring FILE"
	sign expired --faked-system-time 20200102T000000 web/SHA256SUMS
	status_is 77 get "$KEYS/expired.gpg"
	code_is expired_key
	sign old --faked-system-time 20200102T000000 --default-sig-expire 5d \
	    web/SHA256SUMS
	status_is 77 get "$KEYS/old.gpg"
	code_is expired_signature
	sign revoked web/SHA256SUMS
	status_is 77 get "$KEYS/revoked.gpg"
	code_is revoked_key
	sign good --digest-algo SHA1 web/SHA256SUMS
	status_is 77 get "$KEYS/good.gpg"
	code_is weak_signature
	cp web/SHA256SUMS web/moved
	echo x >>web/moved
	sign good web/moved
	mv web/moved.gpg web/SHA256SUMS.gpg
	status_is 77 get "$KEYS/good.gpg"
	code_is bad_signature
	echo nonsense >web/SHA256SUMS.gpg
	status_is 77 get "$KEYS/good.gpg"
	code_is bad_signature
	rm web/SHA256SUMS.gpg
	status_is 77 vmfetch --keyring "$KEYS/good.gpg" "$url/box.qcow2"
	code_is no_signature
	echo nonsense >keys
	sign good web/SHA256SUMS
	status_is 77 get keys
	code_is bad_key
	nothing_there
	# several signatures, one of them by a key that we know
	sign good -u other web/SHA256SUMS
	status_is 0 get "$KEYS/good.gpg"
	got_it
}

@test "a refresh by its alias asks for the same signature as before" {
	requires minisign
	minisign -GW -p key.pub -s key.sec >/dev/null
	serve "$PWD/web"
	status_is 0 vmfetch --insecure "$url/box.qcow2"
	sums box.qcow2
	minisign -S -s key.sec -m web/SHA256SUMS >/dev/null
	# there already, and now verified as well
	status_is 0 vmfetch --keyring key.pub "$url/box.qcow2"
	has_requests 1 GET /box.qcow2
	cd /
	status_is 0 vmfetch --refresh box
	has_requests 1 GET /box.qcow2
	cd "$HOME"
	sed 's/data/DATA/g' web/box.qcow2 >web/new
	mv web/new web/box.qcow2
	sums box.qcow2
	status_is 77 vmfetch --refresh --all
	code_is bad_signature
	status_is 64 vmfetch --refresh --insecure box
	minisign -S -s key.sec -m web/SHA256SUMS >/dev/null
	status_is 0 vmfetch --refresh --all
	got_it
	[ "$(field image.generation)" = 2 ]
	status_is 77 vmfetch --refresh --verify=no box
	code_is insecure
}

@test "a refresh without gpgv is a failure of ours, not of the origin" {
	requires gpg gpgv
	make_raw
	sums box.img
	sign good web/SHA256SUMS
	status_is 0 vmfetch --keyring "$KEYS/good.gpg" web/box.img
	status_is 69 env PATH=/nonexistent "$VMPIPE_BUILD/bin/vmfetch" \
	    --refresh box
	code_is no_program
	err_has "apt-get install gpgv"
}

@test "the origin is down: only what was verified as is asked for now will do" {
	requires minisign
	minisign -GW -p key.pub -s key.sec >/dev/null
	serve "$PWD/web"
	status_is 0 vmfetch --insecure "$url/box.qcow2"
	sums box.qcow2
	minisign -S -s key.sec -m web/SHA256SUMS >/dev/null
	stop_servers
	status_is 69 vmfetch --keyring key.pub --refresh box
	status_is 69 vmfetch --keyring key.pub box
	status_is 77 vmfetch --keyring key.pub --offline box
	code_is unverified
	status_is 0 vmfetch --insecure --refresh box
	err_has "that is here is used"
}

# signed_key FILE: web/SHA256SUMS of it, signed by the new key.pub.
signed_key()
{
	requires minisign
	minisign -GW -p key.pub -s key.sec >/dev/null
	sums "$1"
	minisign -S -s key.sec -m web/SHA256SUMS >/dev/null
}
make_raw() { head -c 1M /dev/urandom >web/box.img; }

@test "what was asked for before outlives the image, and other words for it" {
	make_raw
	signed_key box.img
	status_is 0 vmfetch --keyring key.pub web/box.img
	old=$(field image.id)
	rm -r "$VMPIPE_ROOT/images/$old"
	make_raw
	status_is 65 vmfetch box
	code_is digest_mismatch
	status_is 65 vmfetch -a other web/box.img
	status_is 65 vmfetch --verify=checksum box
	(cd web && sha256sum box.img >OTHERS)
	status_is 77 vmfetch --checksums web/OTHERS box
	code_is no_signature
	status_is 64 vmfetch --insecure box
	err_has "run: vmfetch --refresh --verify=no to forget"
	nothing_there
	status_is 0 vmfetch --verify=no box
	[ "$(field image.id)" != "$old" ]
	make_raw
	status_is 0 vmfetch --refresh box
}

@test "an older generation that is gone is fetched again, or nothing is" {
	make_raw
	cp web/box.img old.img
	status_is 0 vmfetch web/box.img
	old=$(field image.id)
	make_raw
	status_is 0 vmfetch --refresh box
	new=$(field image.id)
	rm -r "$VMPIPE_ROOT/images/$old"
	status_is 65 vmfetch box@1
	code_is digest_mismatch
	status_is 65 vmfetch --checksum "sha256:$new" box@1
	code_is digest_mismatch
	cp old.img web/box.img
	status_is 0 vmfetch box@1
	[ "$(field image.id)" = "$old" ]
	[ "$(field image.generation)" = 1 ]
	# and the alias stays where it was
	status_is 0 vmfetch box
	[ "$(field image.id)" = "$new" ]
	# which of today's is signed says nothing of the old one
	make_raw
	signed_key box.img
	for image in box@1 "${new:0:12}"; do
		status_is 77 vmfetch --keyring key.pub "$image"
		code_is unverified
	done
	status_is 0 vmfetch --refresh "${new:0:12}"
	[ "$(field image.id)" = "$new" ]
}

@test "the same image from another source changes nothing for the first" {
	make_raw
	signed_key box.img
	status_is 0 vmfetch --keyring key.pub web/box.img
	cp -r web copy
	status_is 0 vmfetch -a copy --checksums auto copy/box.img
	make_raw
	sums box.img
	status_is 77 vmfetch --refresh box
	code_is bad_signature
}

@test "a signature that was checked for another name does not count" {
	make_raw
	cp web/box.img web/old.img
	signed_key old.img
	status_is 0 vmfetch --keyring key.pub web/old.img
	status_is 0 vmfetch web/box.img
	status_is 65 vmfetch --keyring key.pub web/box.img
	code_is not_in_checksums
	status_is 65 vmfetch --keyring key.pub box
	status_is 0 vmfetch --keyring key.pub --offline old
	status_is 77 vmfetch --keyring key.pub --offline box
	code_is unverified
}

@test "minisign: prehashed and not, the trusted comment counts" {
	requires minisign
	for k in key other; do
		minisign -GW -p $k.pub -s $k.sec >/dev/null
	done
	sums box.qcow2
	get() { vmfetch --checksums auto --keyring "$1" "$PWD/web/box.qcow2"; }
	status_is 77 get key.pub
	code_is no_signature
	for how in '' -l; do
		minisign -S $how -s key.sec -m web/SHA256SUMS -t one >/dev/null
		status_is 0 get key.pub
		got_it
		rm -r "$VMPIPE_ROOT"
		status_is 77 get other.pub
		code_is unknown_key
		sed -i 's/comment: one/comment: two/' web/SHA256SUMS.minisig
		status_is 77 get key.pub
		err_has "trusted comment"
		minisign -S $how -s key.sec -m web/SHA256SUMS >/dev/null
		echo >>web/SHA256SUMS
		status_is 77 get key.pub
		code_is bad_signature
		nothing_there
		sums box.qcow2
		rm web/SHA256SUMS.minisig
	done
	cat other.pub key.pub >both.pub
	minisign -S -s key.sec -m web/SHA256SUMS >/dev/null
	status_is 0 get both.pub
}

@test "of several files beside it the signed one that names it counts" {
	requires minisign
	minisign -GW -p key.pub -s key.sec >/dev/null
	sums box.qcow2
	echo "$(wrong)$(wrong)  box.qcow2" >web/SHA512SUMS
	minisign -S -s key.sec -m web/SHA256SUMS >/dev/null
	status_is 0 vmfetch --keyring key.pub web/box.qcow2
	got_it
	rm -r "$VMPIPE_ROOT"
	status_is 66 vmfetch --keyring none.pub web/box.qcow2
	err_has "none.pub"
	status_is 66 vmfetch --keyring key.pub --signature none web/box.qcow2
	status_is 64 vmfetch --keyring https://x/key.pub web/box.qcow2
	status_is 0 vmfetch --keyring key.pub \
	    --checksums "file://$PWD/web/SHA256SUMS" web/box.qcow2
	got_it
}

@test "signify: beside the checksums and around them" {
	requires signify-openbsd
	signify-openbsd -Gn -p key.pub -s key.sec
	signify-openbsd -Gn -p other.pub -s other.sec
	sums box.qcow2
	signify-openbsd -S -s key.sec -m web/SHA256SUMS -x web/SHA256SUMS.sig
	get() { vmfetch --checksums "$1" --keyring "$2" web/box.qcow2; }
	status_is 0 get auto key.pub
	got_it
	rm -r "$VMPIPE_ROOT"
	status_is 77 get auto other.pub
	(cd web && sha256sum --tag box.qcow2 >SHA256)
	signify-openbsd -Se -s key.sec -m web/SHA256 -x web/SHA256.sig
	rm web/SHA256 web/SHA256SUMS*
	status_is 77 get web/SHA256.sig other.pub
	status_is 0 get web/SHA256.sig key.pub
	got_it
	rm -r "$VMPIPE_ROOT"
	sed -i '$s/[0-9]$/a/; $s/[b-f]$/0/' web/SHA256.sig
	status_is 77 get web/SHA256.sig key.pub
	code_is bad_signature
}

@test "in a manifest: checksums, signature, keyring beside it" {
	requires minisign
	minisign -GW -p key.pub -s key.sec >/dev/null
	sums box.qcow2
	minisign -S -s key.sec -m web/SHA256SUMS -x sums.minisig >/dev/null
	manifest() { printf 'vmpipe: 1\nservice: s\nroles:\n  a:\n    image:\n' &&
	    printf '      %s\n' "$@"; }
	manifest 'source: web/box.qcow2' 'checksums: web/SHA256SUMS' \
	    'signature: ./sums.minisig' 'keyring: key.pub' >m.yaml
	cd /
	status_is 0 vmfetch "$HOME/m.yaml"
	cd "$HOME"
	got_it
	rm -r "$VMPIPE_ROOT"
	# the keyring is that file, wherever a refresh is asked for
	status_is 0 vmfetch m.yaml
	mkdir -p elsewhere/web
	cd elsewhere
	status_is 0 vmfetch --refresh box
	cd "$HOME"
	sed -i 's/^[0-9a-f]/0/' web/SHA256SUMS
	echo >>web/SHA256SUMS
	rm -r "$VMPIPE_ROOT"
	status_is 77 vmfetch m.yaml
	manifest 'source: web/box.qcow2' 'signature: x' >m.yaml
	status_is 65 vmfetch m.yaml
	manifest 'source: web/box.qcow2' 'checksums: auto' \
	    "checksum: sha256:$(wrong)" >m.yaml
	status_is 65 vmfetch m.yaml
	nothing_there
}

# --- lock files ---------------------------------------------------------------

@test "--lock writes what it was, where latest led; --locked wants just that" {
	mkdir web/20261101
	mv web/box.qcow2 web/20261101/
	serve "$PWD/web" 'location /latest/ {
	    rewrite ^/latest/(.*) /20261101/$1 redirect; }'
	get() { vmfetch --insecure "$@" "$url/latest/box.qcow2"; }
	status_is 0 get --lock images.lock
	sum=$(sha web/20261101/box.qcow2)
	line=$(jq -c --arg url "$url" --arg sum "$sum" 'if (.date | test("^20"))
	    then del(.date) else . end' images.lock)
	[ "$line" = '{"alias":"box","source":"'"$url"'/latest/box.qcow2","url":"'"$url"'/20261101/box.qcow2","digest":"sha256:'"$sum"'","size":393216}' ]
	cp -p images.lock before
	status_is 0 get --lock images.lock
	cmp before images.lock
	[ before -ef images.lock ] || [ ! before -nt images.lock ]
	rm -r "$VMPIPE_ROOT"
	status_is 0 get --lock images.lock --locked
	[ "$(field image.id)" = "$sum" ]
	has_requests 1 GET /latest/box.qcow2
	# by its alias alone, on a host that never saw it
	rm -r "$VMPIPE_ROOT"
	status_is 0 vmfetch --lock images.lock --locked box
	[ "$(field image.id)" = "$sum" ]
	[ "$(field image.alias)" = box ]
	rm -r "$VMPIPE_ROOT"
	echo more >>web/20261101/box.qcow2
	status_is 65 get --lock images.lock --locked
	code_is digest_mismatch
	status_is 65 vmfetch --lock images.lock --locked ./web/20261101/box.qcow2
	code_is not_locked
	status_is 65 vmfetch --lock images.lock --locked -a box \
	    ./web/20261101/box.qcow2
	code_is lock_drift
	nothing_there
	cmp before images.lock
	echo '{"alias":"box"}' >>images.lock
	status_is 65 vmfetch --lock images.lock --locked box
	err_has "images.lock:2: not a line of a lock file"
}

@test "--locked: no file, a line twice, mirrors, what came from stdin" {
	serve "$PWD/web"
	get() { vmfetch --insecure --lock l "$@"; }
	status_is 66 get --locked box
	code_is no_lock_file
	status_is 0 get "$url/box.qcow2"
	status_is 0 get -a piped --image - <web/box.qcow2
	rm -r "$VMPIPE_ROOT"
	mv web/box.qcow2 web/moved
	status_is 0 get --locked --mirror "$url/moved" "$url/box.qcow2"
	rm -r "$VMPIPE_ROOT"
	status_is 66 get --locked piped
	err_has "run: vmfetch --lock l --locked -a piped --image -"
	status_is 0 get --locked -a piped --image - <web/moved
	got_it web/moved
	head -1 l | sed s/sha256:./sha256:0/ >twice
	cat l >>twice
	status_is 65 vmfetch --lock twice --locked box
	err_has "twice:2: not a line of a lock file"
}

@test "a lock file in order, whoever writes at once; a failed write leaves it" {
	mkdir locks
	for i in c a d b; do
		cp web/box.qcow2 web/$i.qcow2
		vmfetch --lock locks/l web/$i.qcow2 >/dev/null 3>&- &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid"; done
	[ "$(jq -r .alias locks/l | tr '\n' ' ')" = 'a b c d ' ]
	[ "$(ls -A locks)" = l ]
	cp locks/l before
	VMPIPE_FAULT=rename:1:ENOSPC status_is 74 vmfetch --lock locks/l -a e a
	cmp before locks/l
	[ "$(ls -A locks)" = l ]
	status_is 66 vmfetch --lock none/l a
	status_is 0 vmfetch -n --lock other web/c.qcow2
	[ ! -e other ]
}

# --- TLS and credentials ------------------------------------------------------

@test "https: self-signed and expired certificates are refused" {
	requires openssl
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	    -keyout tls.key -out tls.pem -subj /CN=x -days 2 \
	    -addext subjectAltName=IP:127.0.0.1 2>/dev/null
	make_certificate unused IP:127.0.0.1
	serve_tls
	status_is 77 vmfetch --cacert ca.pem "$tls/box.qcow2"
	code_is tls
	err_has "run: vmfetch --cacert FILE"
	stop_servers
	openssl x509 -req -in unused.csr -CA ca.pem -CAkey ca.key -days -1 \
	    -extfile <(echo subjectAltName=IP:127.0.0.1) -out tls.pem \
	    2>/dev/null
	mv unused.key tls.key
	serve_tls
	status_is 77 vmfetch --cacert ca.pem "$tls/box.qcow2"
	code_is tls
	nothing_there
}

@test "https: a certificate of our own, with its key in the file or beside" {
	requires openssl
	make_certificate client DNS:client
	serve_tls IP:127.0.0.1 '' "ssl_client_certificate $PWD/ca.pem;
	    ssl_verify_client on;"
	get() { vmfetch --verify=no --cacert ca.pem "$@" "$tls/box.qcow2"; }
	status_is 76 get
	status_is 66 get --cert none.pem
	err_has "none.pem: "
	status_is 66 get --cert client.pem --key none.key
	err_has "none.key: "
	status_is 66 vmfetch --cacert none.pem "$tls/box.qcow2"
	status_is 77 get --cert ca.pem
	code_is certificate
	status_is 0 get --cert client.pem --key client.key
	got_it
	rm -r "$VMPIPE_ROOT"
	cat client.pem client.key >both.pem
	status_is 0 get --cert both.pem
	rm -r "$VMPIPE_ROOT"
	openssl ec -in client.key -aes256 -passout pass:x -out locked.key \
	    2>/dev/null
	status_is 77 get --cert client.pem --key locked.key
	[[ $stderr != *[Pp]hrase* ]] || explain "it asks"
}

@test "a token or user:password from a file or descriptor, in the open never" {
	auth_server
	secret=s3cr3t-$RANDOM$RANDOM
	echo "amy:$secret" >auth
	chmod 600 auth
	get() { vmfetch "$@" "$url/x/box.qcow2"; }
	status_is 77 get --checksum "sha256:$(sha web/box.qcow2)" --auth-file auth
	code_is insecure
	[ ! -e "$log" ]
	status_is 0 get -vv --insecure --auth-file auth
	[[ $output$stderr != *"$secret"* ]]
	tail -1 "$log" | grep -q "Basic_$(printf 'amy:%s' "$secret" | base64)\$"
	rm -r "$VMPIPE_ROOT"
	echo "$secret" >token
	status_is 0 get --insecure --auth-fd 9 9<token
	tail -1 "$log" | grep -q "Bearer_$secret\$"
	run ! grep -rq "$secret" "$VMPIPE_ROOT"
	rm -r "$VMPIPE_ROOT"
	# nor a password that is in the URL
	status_is 77 vmfetch --checksum "sha256:$(sha web/box.qcow2)" \
	    "${url/:\/\//://amy:$secret@}/y/box.qcow2"
	code_is insecure
	[[ $output$stderr != *"$secret"* ]]
	run ! grep -q /y/ "$log"
	chmod 644 auth
	status_is 77 get --insecure --auth-file auth
	code_is auth_readable
	printf 'a\nb' >token
	status_is 65 get --insecure --auth-fd 9 9<token
	status_is 66 get --insecure --auth-file none
}

@test "a user and password in a manifest's URLs are in no record" {
	serve "$PWD/web"
	secret=${url/:\/\//:\/\/amy:s3cr3t@}
	sums box.qcow2
	printf '%s\n' 'vmpipe: 1' 'service: s' 'roles:' '  a:' '    image:' \
	    "      source: $secret/box.qcow2" '      checksums: web/SHA256SUMS' \
	    "      mirrors: [\"$secret/b\", \"$secret/c\"]" >m.yaml
	status_is 77 vmfetch -vv m.yaml # in the clear
	[[ $output$stderr != *s3cr3t* ]]
	status_is 0 vmfetch -vv --insecure m.yaml
	got_it
	[ "$(field spec.image.source)" = "$url/box.qcow2" ]
	[ "$(jq -c .spec.image.mirrors <<<"$output")" = '["'"$url/b\",\"$url/c"'"]' ]
	[[ $output$stderr != *s3cr3t* ]]
	grep -q ' - amy \[.*GET /box.qcow2' "$access_log"
	sed -i 's,mirrors: .*,mirrors: ["http://amy:s3cr3t@[x/"],' m.yaml
	status_is 64 vmfetch -vv m.yaml
	[[ $output$stderr != *s3cr3t* ]]
	run ! grep -rq s3cr3t "$VMPIPE_ROOT"
	# an @ that hides nothing
	for source in ssh://amy@127.0.0.1:1/box.qcow2 \
	    "oci://127.0.0.1:1/x@sha256:$(wrong)"; do
		sed "s,source: .*,source: \"$source\"," m.yaml |
		    grep -v 'mirrors:\|checksums:' >other.yaml
		status_is 69 vmfetch other.yaml
		[ "$(field spec.image.source)" = "$source" ]
	done
	sed 's,source: .*,source: "ssh://amy:s3cr3t@x/y",' m.yaml >other.yaml
	status_is 64 vmfetch other.yaml
	[[ $output$stderr != *s3cr3t* ]]
}

@test "a redirect to another host takes no token along" {
	auth_server
	(umask 77 && echo secret >token)
	other=${url/127.0.0.1/localhost}
	to=$(printf %s "$other/status=404/gone" | od -An -v -tx1 | tr -d ' \n')
	status_is 66 vmfetch --insecure --auth-file token "$url/to=$to/x"
	grep -q '^/to=.* Bearer_secret$' "$log"
	grep -q '^/status=404/gone - - -$' "$log"
}

auth_server()
{
	log=$BATS_TEST_TMPDIR/requests
	"$top/test/lib/badhttp.pl" "$PWD/web" "$log" 3>&- 4>&- &
	servers+=($!)
	wait_for test -e "$log.port"
	url=http://127.0.0.1:$(<"$log.port")
}

@test "--no-private: the address that is connected counts, however written" {
	serve "$PWD/web"
	port=${url##*:}
	for host in 127.0.0.1 2130706433 0x7f000001 017700000001 localhost \
	    '[::ffff:127.0.0.1]' 0; do
		status_is 77 vmfetch --insecure --no-private \
		    "http://$host:$port/box.qcow2"
		code_is private_address
	done
	http_proxy=http://127.0.0.1:$port status_is 77 vmfetch --insecure \
	    --no-private http://10.0.0.1/box.qcow2
	code_is private_address
	[ ! -s "$access_log" ]
	status_is 0 vmfetch --insecure "http://2130706433:$port/box.qcow2"
}
