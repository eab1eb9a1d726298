# vmfetch and mirrors: dead, slow, refusing and lying ones (badhttp.pl).
# shellcheck shell=bash disable=SC2154 # set by common.bash and bats

load ../lib/common

setup()
{
	fresh
	mkdir web
	"$top/test/lib/mkqcow2.pl" >box.qcow2
	qemu-img convert -f qcow2 -O raw box.qcow2 web/box.raw
	head -c 9000000 /dev/urandom | head -c $((5000 * 512)) >>web/box.raw
	sum=$(sha256sum web/box.raw | cut -d' ' -f1)
	head -c -512 web/box.raw >web/liar.raw
	head -c 512 /dev/urandom >>web/liar.raw
	log=$BATS_TEST_TMPDIR/requests
	"$top/test/lib/badhttp.pl" "$PWD/web" "$log" 3>&- 4>&- &
	servers+=($!)
	wait_for test -e "$log.port"
	url=http://127.0.0.1:$(<"$log.port")
	dead=http://127.0.0.1:$(free_port)/box.raw
}

# get URL [OPTION...]: pinned.
get() { vmfetch --checksum "sha256:$sum" --stall-timeout 1s "$@"; }
got_it()
{
	[ "$(jq -r .image.id <<<"$output")" = "$sum" ]
	cmp "$VMPIPE_ROOT/images/$sum/$sum.raw" web/box.raw
	no_litter
}
asked() { awk -v p="/$1/" 'index($1, p) == 1 { print $2 }' "$log" | paste -sd' '; }

@test "the first is asked, the others only when it fails" {
	status_is 0 get "$url/a/box.raw" --mirror "$url/b/box.raw"
	got_it
	[ -z "$(asked b)" ]
	[ -z "$stderr" ]
}

@test "dead, missing, refusing, failing: the next one" {
	status_is 0 get "$dead" --mirror "$url/status=404/box.raw" \
	    --mirror "$url/status=403/box.raw" \
	    --mirror "$url/status=503/box.raw" \
	    --mirror "$url/garbage/box.raw" --mirror "$url/b/box.raw"
	got_it
	err_has "$dead"
	err_has "going on with $url/b/box.raw"
	[ "$(jq -r .image.alias <<<"$output")" = box ]
}

@test "one that stalls, breaks off or lies about ranges: gone on elsewhere" {
	for bad in stall=1500000 drop=1500000,norange drop=1500000,lie \
	    drop=1500000,total; do
		status_is 0 get "$url/$bad/box.raw" \
		    --mirror "$url/after-$((++n))/box.raw"
		got_it
		[ "$(asked "after-$n")" = bytes=1500000- ]
		rm -r "$VMPIPE_ROOT"
	done
}

@test "all of them fail: the status of the last" {
	status_is 69 get "$url/status=404/box.raw" --mirror "$dead"
	status_is 66 get "$dead" --mirror "$url/status=404/box.raw"
	no_litter
}

@test "a mirror with other bytes is named, and fetched around" {
	status_is 0 get "$url/a/liar.raw" -a box --mirror "$url/b/box.raw"
	got_it
	err_has "$url/a/liar.raw: it has other bytes"
	[ "$(asked a)" = - ]
	[ "$(asked b)" = - ]
}

@test "a mixture with wrong bytes: each alone, the liar named" {
	status_is 0 get "$url/stall=1500000,once/box.raw" -a box \
	    --mirror "$url/b/liar.raw"
	got_it
	err_has "$url/b/liar.raw: it has other bytes"
	[ "$(asked stall=1500000,once)" = "- -" ]
	[ "$(asked b)" = bytes=1500000- ]
	rm -r "$VMPIPE_ROOT"
	status_is 0 get "$url/stall=3500000/liar.raw" -a box \
	    --mirror "$url/c/box.raw"
	got_it
}

@test "all of them lie: 65" {
	status_is 65 get "$url/a/liar.raw" --mirror "$url/b/liar.raw"
	[ "$(jq -r .error.code <<<"$output")" = digest_mismatch ]
	err_has "$url/a/liar.raw: it has other bytes"
	err_has "$url/b/liar.raw: it has other bytes"
	[ "$(asked a)$(asked b)" = -- ]
	no_litter
}

@test "the part of one mirror is gone on with at another" {
	vmfetch --checksum "sha256:$sum" "$url/stall=1500000/box.raw" \
	    --mirror "$dead" >/dev/null 2>&1 3>&- &
	pid=$!
	wait_for has_part
	kill -9 "$pid"
	wait "$pid" || :
	status_is 0 get "$url/stall=1500000/box.raw" --mirror "$url/b/box.raw"
	[ "$(asked b)" = bytes=2548576- ]
	[ "$(asked stall=1500000)" = "- bytes=1048576-" ]
	[ "$(jq -r .image.id <<<"$output")" = "$sum" ]
}
has_part() { [ "$(cat "$VMPIPE_ROOT"/incoming/*/sums 2>/dev/null | wc -l)" = 2 ]; }

@test "mirrors in a manifest" {
	cat >shop.yaml <<-END
		vmpipe: 1
		service: shop
		roles:
		  web:
		    image:
		      source: $dead
		      checksum: "sha256:$sum"
		      mirrors: ["$url/a/box.raw"]
	END
	status_is 0 vmfetch shop.yaml
	got_it
	sed -i 's,mirrors:.*,mirrors: [./box.raw],' shop.yaml
	status_is 65 vmfetch shop.yaml
	err_has "shop.yaml:8:"
	sed -i '/checksum/d; s,mirrors:.*,mirrors: ["http://localhost/"],' \
	    shop.yaml
	rm -r "$VMPIPE_ROOT"
	status_is 64 vmfetch --insecure shop.yaml
	err_has "without a digest"
}

@test "what mirrors are not for" {
	status_is 64 vmfetch --insecure "$url/a/box.raw" --mirror "$url/b/box.raw"
	err_has "without a digest"
	status_is 64 get ./web/box.raw --mirror "$url/b/box.raw"
	err_has "only a URL has mirrors"
	status_is 64 get "$url/a/box.raw" --mirror ./web/box.raw
	status_is 64 vmfetch ./a.raw ./b.raw --mirror "$url/b/box.raw"
	[ ! -e "$log" ]
}

@test "credentials are for the source's server, mirrors get none" {
	echo amy:pass-word >auth
	chmod 600 auth
	status_is 0 get "$url/status=404/box.raw" --mirror "$url/b/box.raw" \
	    --insecure --auth-file auth
	got_it
	[ "$(awk '$1 ~ /status/ { print $4 }' "$log")" = \
	    "Basic_$(printf amy:pass-word | base64)" ]
	[ "$(awk '$1 ~ "^/b/" { print $4 }' "$log")" = - ]
}

@test "what a mirror gave is no part of the source's own file" {
	mode=stall=1500000
	status_is 69 vmfetch --insecure --stall-timeout 1s "$url/$mode/box.raw"
	cp web/box.raw web/liar.raw
	printf evil | dd of=web/liar.raw bs=1 seek=2700000 conv=notrunc \
	    status=none
	status_is 69 get "$url/$mode/box.raw" --mirror "$url/stall=700000/liar.raw"
	[ "$(asked stall=700000)" = bytes=2548576- ]
	[ "$(sed 1d "$VMPIPE_ROOT"/incoming/*/sums | wc -l)" = 3 ]
	# The ETag was of the first 1M only.
	status_is 69 vmfetch --insecure --stall-timeout 1s "$url/$mode/box.raw"
	[ "$(asked $mode)" = "- bytes=1048576- -" ]
	[ -z "$(ls "$VMPIPE_ROOT/images")" ]
}
