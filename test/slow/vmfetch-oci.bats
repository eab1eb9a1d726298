# vmfetch from oci://: against a small registry, by https.
# shellcheck shell=bash disable=SC2154 # set by common.bash and bats

load ../lib/common
load ../lib/tls
load ../lib/cloud

setup()
{
	fresh
	mkdir -p cloud
	"$top/test/lib/mkqcow2.pl" >box.qcow2
	sum=$(sha256sum box.qcow2 | cut -d' ' -f1)
	serve_cloud
	arch=$(uname -m)
	case $arch in x86_64) arch=amd64 ;; aarch64) arch=arm64 ;; esac
}

get() { vmfetch --cacert ca.pem "$@"; }
got_it() { [ "$(jq -r .image.id <<<"$output")" = "$sum" ]; }

# put REPO TAG FILE...: an image of these layers; sets $digest, its manifest's.
put()
{
	local repo=cloud/oci/$1 tag=$2 file layers=() hex

	mkdir -p "$repo/blobs" "$repo/manifests"
	for file in "${@:3}"; do
		hex=$(sha256sum "$file" | cut -d' ' -f1)
		cp "$file" "$repo/blobs/sha256:$hex"
		layers+=("{\"mediaType\":\"application/octet-stream\",
		    \"digest\":\"sha256:$hex\",\"size\":$(stat -c %s "$file")}")
	done
	put_manifest "$1" "$tag" "{\"schemaVersion\":2,\"layers\":[$(
	    IFS=,; echo "${layers[*]}")]}"
}

# put_manifest REPO TAG JSON: as it is; sets $digest.
put_manifest()
{
	mkdir -p "cloud/oci/$1/manifests"
	printf %s "$3" >"cloud/oci/$1/manifests/$2"
	digest=sha256:$(printf %s "$3" | sha256sum | cut -d' ' -f1)
	cp "cloud/oci/$1/manifests/$2" "cloud/oci/$1/manifests/$digest"
}

# platform DIGEST OS ARCHITECTURE
platform()
{
	printf '{"digest":"%s","size":9,"platform":{"os":"%s","architecture":"%s"}}' "$@"
}

@test "oci://: a disk in a registry, with a token for nobody" {
	put lab/debian 12 box.qcow2
	status_is 0 get "oci://$tls/lab/debian:12"
	err_is ''
	got_it
	[ "$(jq -r .image.alias <<<"$output")" = debian-12 ]
	[ "$(jq -r .trust.by "$VMPIPE_ROOT/images/$sum/image.json")" = registry ]
	is_not_stored 'T-6c61'
	: >"$log"
	status_is 0 get "oci://$tls/lab/debian:12"
	[ ! -s "$log" ]
}

@test "oci://: a tag that moves is a new generation, by asking for the manifest" {
	put lab/debian latest box.qcow2
	status_is 0 get "oci://$tls/lab/debian"
	[ "$(jq -r .image.alias <<<"$output")" = debian ]
	status_is 0 get --refresh debian
	[ "$(asked GET "/v2/lab/debian/blobs/sha256:$sum")" = 1 ]
	truncate -s 2M box.qcow2
	truncate -s 3M box.raw
	put lab/debian latest box.raw
	status_is 0 get --refresh debian
	[ "$(jq -r .image.generation <<<"$output")" = 2 ]
}

@test "oci://: one of several architectures; a digest fixes all of it" {
	put lab/debian own box.qcow2
	own=$digest
	put_manifest lab/debian 12 "{\"manifests\":[$(
	    platform sha256:"$(printf %064d 1)" linux vax),$(
	    platform "$own" linux "$arch")]}"
	index=$digest
	status_is 0 get "oci://$tls/lab/debian@$index"
	got_it
	[ "$(jq -r .image.alias <<<"$output")" = debian ]
	# somebody puts another image under the digest
	printf ' ' >>"cloud/oci/lab/debian/manifests/$own"
	status_is 65 get -a two --refresh "oci://$tls/lab/debian@$index"
	err_has "expected ${own#sha256:}"
	put_manifest lab/debian vax "{\"manifests\":[$(
	    platform sha256:"$(printf %064d 1)" linux vax)]}"
	status_is 66 get "oci://$tls/lab/debian:vax"
	err_has "for linux on $arch"
}

@test "oci://: the largest layer; one with other bytes is refused" {
	echo small >note
	put lab/debian 12 note box.qcow2 note
	printf x | dd of="cloud/oci/lab/debian/blobs/sha256:$sum" bs=1 \
	    seek=4096 conv=notrunc status=none
	status_is 65 get "oci://$tls/lab/debian:12"
	err_has "expected $sum"
	put lab/debian 12 note box.qcow2 note
	status_is 0 get "oci://$tls/lab/debian:12"
	got_it
	no_litter
}

@test "oci://: a digest of the user's needs no manifest; sha512 does" {
	put lab/debian 12 box.qcow2
	long=$(sha512sum box.qcow2 | cut -d' ' -f1)
	status_is 0 get --checksum "sha256:$sum" "oci://$tls/lab/debian:12"
	got_it
	[ "$(asked GET /v2/lab/debian/manifests/)" = 0 ]
	[ "$(jq -r .trust.by "$VMPIPE_ROOT/images/$sum/image.json")" = digest ]
	rm -r "$VMPIPE_ROOT"
	status_is 65 get --checksum "sha512:${long//[a-f]/0}" \
	    "oci://$tls/lab/debian:12"
	status_is 0 get --checksum "sha512:$long" "oci://$tls/lab/debian:12"
	got_it
}

@test "oci://: a lock file fixes what a tag was" {
	put lab/debian 12 box.qcow2
	status_is 0 get --lock images.lock "oci://$tls/lab/debian:12"
	rm -r "$VMPIPE_ROOT"
	truncate -s 3M other.raw
	put lab/debian 12 other.raw
	: >"$log"
	status_is 0 get --lock images.lock --locked debian-12
	got_it
	[ "$(asked GET /v2/lab/debian/manifests/)" = 0 ]
}

@test "oci://: a transfer that was killed is gone on with" {
	head -c 6M /dev/urandom >big.img
	put lab/big 1 big.img
	sum=$(sha256sum big.img | cut -d' ' -f1)
	vmfetch --cacert ca.pem --limit-rate 2M "oci://$tls/lab/big:1" \
	    >out 2>err 3>&- 4>&- &
	vmfetch=$!
	wait_for parts_have 2
	kill -KILL "$vmfetch"
	wait_for gone "$vmfetch"
	status_is 0 get -v "oci://$tls/lab/big:1"
	got_it
	err_has 'going on at byte'
	[ -z "$(ls "$VMPIPE_ROOT/incoming")" ]
}

# parts_have N: so many MiB of a download are kept.
parts_have()
{
	local size

	size=$(cat "$VMPIPE_ROOT"/incoming/*/data 2>/dev/null | wc -c)
	((size >= $1 << 20))
}

@test "oci://: a containerdisk: the disk in the layer's tar" {
	mkdir disk
	mv box.qcow2 disk/fedora.qcow2
	tar -czf layer --owner=107 --group=107 disk
	sum=$(sha256sum layer | cut -d' ' -f1)
	put lab/fedora 40 layer
	status_is 0 get "oci://$tls/lab/fedora:40"
	got_it
	[ "$(jq -r .image.alias <<<"$output")" = fedora-40 ]
	qemu-img compare -f qcow2 -F raw disk/fedora.qcow2 \
	    "$VMPIPE_ROOT/images/$sum/$sum.raw"
	tar -cf layer /dev/null 2>/dev/null
	put lab/fedora 41 layer
	status_is 65 get "oci://$tls/lab/fedora:41"
	no_litter
}

@test "oci://: user and password, from podman's and docker's files and ours" {
	: >cloud/private
	put lab/debian 12 box.qcow2
	status_is 77 get "oci://$tls/lab/debian:12"
	err_has "run: podman login $tls"
	mkdir .docker
	auth=$(printf amy:secret | base64)
	echo "{\"auths\":{\"https://$tls/v1/\":{\"auth\":\"$auth\"}}}" \
	    >.docker/config.json
	status_is 0 get "oci://$tls/lab/debian:12"
	got_it
	[ "$(asked GET /token basic)" -ge 1 ]
	# podman's file says who for a part of the registry
	echo "{\"auths\":{\"$tls\":{\"auth\":\"$(printf amy:no | base64)\"},
	    \"$tls/lab\":{\"auth\":\"$auth\"}}}" >auth.json
	rm -r .docker
	REGISTRY_AUTH_FILE=$PWD/auth.json status_is 0 get -a two --refresh \
	    "oci://$tls/lab/debian:12"
	echo amy:secret >auth && chmod 600 auth
	status_is 0 get -a three --refresh --auth-file auth \
	    "oci://$tls/lab/debian:12"
	echo amy:no >auth
	status_is 77 get -a four --refresh --auth-file auth \
	    "oci://$tls/lab/debian:12"
	is_not_stored 'secret|amy'
}

@test "oci://: a registry that wants the password itself" {
	: >cloud/basic
	put lab/debian 12 box.qcow2
	status_is 77 get "oci://$tls/lab/debian:12"
	echo amy:secret >auth && chmod 600 auth
	status_is 0 get --auth-file auth "oci://$tls/lab/debian:12"
	got_it
}

@test "oci://: neither token nor signature goes where the blobs are, or is shown" {
	put lab/debian 12 box.qcow2
	mkdir -p cloud/s3/blobs
	: >cloud/s3/blobs/.public
	cp box.qcow2 "cloud/s3/blobs/sha256:$sum"
	echo "https://$tls/blobs" >cloud/blobs-at
	status_is 0 get "oci://$tls/lab/debian:12"
	got_it
	is_not_stored 'let-me-in'
	rm "cloud/s3/blobs/sha256:$sum"
	rm -r "$VMPIPE_ROOT"
	status_is 66 get "oci://$tls/lab/debian:12"
	[[ $stderr != *let-me-in* && $output != *let-me-in* ]]
	# another host: another port will do
	port=${plain#*:}
	echo "http://127.0.0.1:$port/blobs" >cloud/blobs-at
	status_is 77 get "oci://$tls/lab/debian:12"
	err_has 'from https to http'
	: >"$log"
	cp box.qcow2 "cloud/s3/blobs/sha256:$sum"
	echo "http://localhost:$port/blobs" >cloud/blobs-at
	echo http >cloud/scheme
	status_is 0 vmfetch --insecure "oci://$plain/lab/debian:12"
	[ "$(asked GET "/blobs/sha256:$sum" none)" = 1 ]
	[ "$(asked GET "/v2/lab/debian/blobs/sha256:$sum" bearer)" = 1 ]
}

@test "oci://: what lets us in expires while the blob comes: we ask for more of it" {
	head -c 3M /dev/urandom >big.img
	put lab/big 1 big.img
	mkdir -p cloud/s3/blobs
	: >cloud/s3/blobs/.public
	sum=$(sha256sum big.img | cut -d' ' -f1)
	cp big.img "cloud/s3/blobs/sha256:$sum"
	echo "https://$tls/blobs" >cloud/blobs-at
	echo 2000000 >cloud/drop
	: >cloud/expiring
	status_is 0 get "oci://$tls/lab/big:1"
	got_it
	[ "$(asked GET "/v2/lab/big/blobs/sha256:$sum")" = 2 ]
	[ "$(asked GET "/blobs/sha256:$sum")" = 3 ]
	is_not_stored let-me-in
	no_litter
}

@test "oci://: plain http only to this machine, and when it is said" {
	echo http >cloud/scheme
	put lab/debian 12 box.qcow2
	status_is 77 vmfetch "oci://$plain/lab/debian:12"
	[ ! -s "$log" ] || ! grep -q ^GET "$log"
	status_is 0 vmfetch --insecure "oci://$plain/lab/debian:12"
	got_it
	echo "http://127.0.0.1:1/token" >cloud/realm
	status_is 77 get "oci://$tls/lab/debian:13"
	[ "$(jq -r .error.code <<<"$output")" = downgrade ]
}

@test "oci://: a token server that lies, manifests that are none" {
	put lab/debian 12 box.qcow2
	for lie in '' '{}' '[]' '{"token":5}' '{"token":"a\r\nX: y"}' '{"token":""}'; do
		printf %s "$lie" >cloud/token
		status_is 76 get "oci://$tls/lab/debian:12"
		[ "$(jq -r .error.code <<<"$output")" = bad_token ]
	done
	echo '{"token":"other"}' >cloud/token
	status_is 77 get "oci://$tls/lab/debian:12"
	rm cloud/token
	for lie in x '{}' '[]' '{"layers":[]}' '{"layers":5}' \
	    '{"layers":[{"digest":"md5:0","size":5}]}' \
	    '{"layers":[{"digest":"sha256:../../x","size":5}]}' \
	    '{"layers":[{"size":5}]}'; do
		put_manifest lab/debian 13 "$lie"
		status_is 65 get "oci://$tls/lab/debian:13"
		[ "$(jq -r .error.code <<<"$output")" = bad_manifest ]
	done
	head -c 5M /dev/zero >cloud/oci/lab/debian/manifests/14
	status_is 65 get "oci://$tls/lab/debian:14"
	err_has 'the manifest: more than'
	status_is 66 get "oci://$tls/lab/debian:none"
	no_litter
}

@test "oci://: what is no image's name; options that do not go with it" {
	for bad in oci://x oci://x/ oci:///a "oci://$tls/A" "oci://$tls/a:-x" \
	    "oci://$tls/a@sha256:12" "oci://$tls/../a" "oci://-x/a" \
	    "oci://u:p@h/a" "oci://$tls/a//b" "oci://h:0/a" "oci://h/a?b" \
	    "oci://$tls/a@md5:$(printf %064d 1)"; do
		status_is 64 get "$bad"
	done
	status_is 64 get --checksums auto "oci://$tls/lab/debian:12"
	err_has 'oci://...@sha256:HEX'
	[ ! -s "$log" ]
}
