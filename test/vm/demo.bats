#!/usr/bin/env bats
# The demonstration is examples/shop.yaml run for real, and checks itself.

load ../lib/common
load ../lib/vm

@test "demo: examples/shop.yaml by the pipe, twice; then nothing is left" {
	requires nginx jq
	guest debian >/dev/null
	export VMPIPE_DEMO=$BATS_TEST_TMPDIR/demo
	VMPIPE_ROOT=$VMPIPE_DEMO/store	# where vm.bash looks for strays

	status_is 0 "$top/tools/demo" run
	out_has 'shop-web-1 asked: shop-db-1 has 3 articles'
	out_has 'shop-web-2 asked: shop-db-1 has 3 articles'
	out_has 'the same records, the same boots'

	status_is 0 "$top/tools/demo" clean
	[[ ! -e $VMPIPE_DEMO ]]
	[[ -z $(vm_pids) ]]
}
