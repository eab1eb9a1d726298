#!/usr/bin/env bats
# Does the demonstration notice what is not as promised?  The commands are
# stand-ins here, with one thing wrong at a time; what the real ones do is
# test/vm/demo.bats.

load ../lib/common

setup()
{
	fresh
	requires nginx jq socat ssh-keygen
	export VMPIPE_BUILD=$PWD/stub VMPIPE_DEMO=$PWD/demo
	export VMPIPE_GUESTS=$PWD/guests BREAK='' PORT
	mkdir -p stub/bin guests
	echo image >guests/debian.qcow2
	PORT=$(free_port)
	socat "TCP-LISTEN:$PORT,bind=127.0.0.1,fork,reuseaddr" \
	    'SYSTEM:read r && . ./page' 3>&- 4>&- &
	servers+=($!)
	wait_for port_taken "$PORT"
	page shop-web-1 shop-web-2
	stub vmfetch '[ "$BREAK" != fetch ]'
	stub vmclone cat
	stub vmcustomize cat
	stub vmdeploy deploy
	stub vmls :
	stub vmrm :
	stub vmssh 'shift 2; ssh "$@"'
}

# The pages of the web servers, one after another.
page()
{
	printf 'echo "$(sed -n "1p;1d" pages) asked: shop-db-1 has 3 articles"
		sed -i 1d pages\n' >page
	printf '%s\n' "$@" >pages
}

stub()
{
	{
		echo '#!/bin/bash'
		declare -f deploy record ssh
		echo "$2"
	} >"stub/bin/$1"
	chmod +x "stub/bin/$1"
}

# Parts of the stand-ins.

record()
{
	printf '{"name":"%s","state":"%s","drift":[%s],"timing_ms":{"start":%d},
	    "identity":{"hostname":"%s","nics":[{"address":"10.0.0.%d/24"}]},
	    "run":{"pid":%d,"forwards":[{"guest":80,"host":%d}]}}\n' \
	    "$1" "${2:-ready}" "${3:-}" $RANDOM "$1" "${#1}" "${4:-7}" "$PORT"
}

deploy()
{
	cat >/dev/null
	record shop-db-1
	[[ $BREAK == missing ]] || record shop-web-1
	case $BREAK in
	state) record shop-web-2 running ;;
	drift) record shop-web-2 ready '"image"' ;;
	changed) record shop-web-2 ready '' $RANDOM ;;
	*) record shop-web-2 ;;
	esac
	[[ $BREAK != deploy ]]
}

ssh()
{
	local vm=$1 db=shop-db-1

	case $BREAK in
	login) [[ $vm != shop-web-1 ]] || { echo denied >&2; return 255; } ;;
	name) vm=debian ;;
	db) db=nobody ;;
	esac
	echo "$vm"
	echo "boot-id $([[ $BREAK != boot ]] || echo $RANDOM)"
	echo "2: eth0 inet 10.0.0.${#1}$([[ $BREAK == address ]] || echo /24) x"
	[[ $1 != shop-web-* ]] || echo "$db has 3 articles"
}

notices()
{
	BREAK=$1 status_is 1 "$top/tools/demo" run
	err_has "demo: $2"
	[[ $output != *'All is as promised'* ]]
}

@test "demo: content when all is well" {
	status_is 0 "$top/tools/demo" run
	out_has 'All is as promised'
}

@test "demo: notices a failed fetch or pipe" {
	notices fetch 'the image was not fetched'
	notices deploy 'the pipe failed'
}

@test "demo: notices a VM that is missing, not ready or drifted" {
	notices missing 'not the VMs of'
	notices state 'not all ready'
	notices drift 'not all ready and without drift'
}

@test "demo: notices a wrong name, address or login" {
	notices login 'shop-web-1: vmssh: denied'
	notices name 'shop-db-1: expected "shop-db-1", got "debian"'
	notices address 'shop-db-1: expected "inet 10.0.0.9/24", got ""'
}

@test "demo: notices that web does not reach db" {
	notices db 'shop-web-1: expected "shop-db-1 has 3 articles"'
	page nobody
	notices '' 'shop-web-1: expected "shop-web-1 asked:'
}

@test "demo: notices that the second run changes something" {
	notices changed 'the second run has changed something'
	page shop-web-1 shop-web-2
	notices boot 'shop-db-1: was started anew'
}

@test "demo: says what it is for" {
	status_is 64 "$top/tools/demo"
	err_has 'tools/demo run'
}
