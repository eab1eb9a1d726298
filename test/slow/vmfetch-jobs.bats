# vmfetch -j: several sources at once (badhttp.pl).
# shellcheck shell=bash disable=SC2154 # set by common.bash and bats

load ../lib/common

setup()
{
	fresh
	mkdir web
	for i in 1 2 3 4; do
		head -c 3000000 /dev/urandom >"web/box$i.raw"
		truncate -s 3000320 "web/box$i.raw"
	done
	log=$BATS_TEST_TMPDIR/requests
	"$top/test/lib/badhttp.pl" "$PWD/web" "$log" 3>&- 4>&- &
	servers+=($!)
	wait_for test -e "$log.port"
	url=http://127.0.0.1:$(<"$log.port")
}

asked() { grep -sc "^/$1/" "$log" || :; }
id() { sha256sum "web/box$1.raw" | cut -d' ' -f1; }
field() { jq -r ".$1" <<<"$output"; }
asked_all() { [ "$(asked stall=1000000)" = "$1" ]; }

@test "so many are asked at once, no more; a signal ends them all" {
	vmfetch --insecure -j 3 "$url/stall=1000000/box"{1,2,3,4}.raw \
	    >out 2>err 3>&- &
	pid=$!
	wait_for asked_all 3
	kill -TERM "$pid"
	status=0
	wait "$pid" || status=$?
	[ "$status" = 143 ]
	asked_all 3
	[ -z "$(ls "$VMPIPE_ROOT/images")" ]
}

@test "records come in the order of the operands, failures among them" {
	status_is 66 vmfetch --insecure -j 4 "$url/rate=6000000/box1.raw" \
	    "$url/x/none.raw" "$url/rate=20000000/box3.raw" "$url/x/box4.raw"
	[ "$(field image.alias | paste -sd,)" = box1,null,box3,box4 ]
	[ "$(field state | paste -sd,)" = fetched,failed,fetched,fetched ]
	[ "$(field image.id | paste -sd,)" = "$(id 1),null,$(id 3),$(id 4)" ]
	[ "$(grep -c . <<<"$stderr")" = 1 ]
	no_litter
}

@test "one source twice is fetched once; one name of two is two aliases" {
	status_is 0 vmfetch --insecure -j 4 "$url/a/box1.raw" \
	    "$url/a/box1.raw" "$url/a/box1.raw"
	[ "$(asked a)" = 1 ]
	[ "$(field image.id | sort -u)" = "$(id 1)" ]
	cp web/box2.raw web/box1.raw
	for i in {1..10}; do
		status_is 0 vmfetch --insecure -j 4 --root "$PWD/s$i" \
		    "$url/b$i/box3.raw" "$url/c$i/box3.raw"
		[ "$(field image.alias | sort -u | wc -l)" = 2 ]
		[ "$(field image.generation | sort -u)" = 1 ]
	done
}

@test "a manifest's roles, a refresh of all, a lock file" {
	cat >shop.yaml <<-END
		vmpipe: 1
		service: shop
		roles:
		  a: {image: {source: "$url/etag304/box1.raw"}}
		  b: {image: {source: "$url/etag304/box1.raw"}}
		  c: {image: {source: "$url/etag304/box2.raw"}, after: [a]}
		  d: {image: {source: "$url/etag304/box3.raw"}}
	END
	status_is 0 vmfetch --insecure -j 3 --lock lock shop.yaml
	[ "$(field role | sort | paste -sd,)" = a,b,c,d ]
	[ "$(asked etag304)" = 3 ]
	[ "$(jq -r .alias lock | paste -sd,)" = box1,box2,box3 ]
	[ "$(jq -r 'select(.role == "b").image.id' <<<"$output")" = "$(id 1)" ]
	status_is 0 vmfetch --insecure -j 3 --refresh --all
	[ "$(field image.alias | paste -sd,)" = box1,box2,box3 ]
	[ "$(asked etag304)" = 6 ]
	status_is 64 vmfetch -j 0 shop.yaml
	status_is 64 vmfetch -j x shop.yaml
}
