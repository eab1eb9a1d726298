# console.bash - typing on the serial console of the tiny guest; after vm.bash.
# shellcheck shell=bash disable=SC2154

# attach NAME: the console of a VM that runs, until detach or the next one.
attach()
{
	local fifo=$BATS_TEST_TMPDIR/keys

	detach
	rm -f "$fifo"
	mkfifo "$fifo"
	vmconsole "$1" <"$fifo" >/dev/null 2>console.err 3>&- 4>&- &
	console_pid=$!
	exec {keys}>"$fifo"
	console_log=$VMPIPE_ROOT/vms/$1/console.log
	typed=0
}

detach()
{
	[[ ${keys:-} ]] || return 0
	exec {keys}>&-
	keys=
	kill "$console_pid" 2>/dev/null || :
	wait_for gone "$console_pid"
}

# type_in COMMAND: returns when the guest has run it.
type_in()
{
	local mark=typed-$((++typed))-$RANDOM

	# shellcheck disable=SC2016 # for the guest's shell to work out
	printf '%s\necho %s-$((0))-%s\n' "$1" "${mark%%-*}" "${mark#*-}" \
	    >&"$keys"
	wait_for -t 60 grep -q "typed-0-${mark#*-}" "$console_log"
}

# says TEXT: the guest has written it on its console.
says() { grep -q -e "$1" "$console_log"; }
