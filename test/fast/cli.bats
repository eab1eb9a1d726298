# What holds for every command there is (DESIGN, section 1).

load ../lib/common

# The commands, by name.
commands() { (cd "$VMPIPE_BUILD/bin" && ls); }

# Commands with this option in their table.
commands_with()
{
	local name

	for name in $(commands); do
		"$name" --dump-options | cut -f1,2 | tr '\t' '\n' |
		    grep -qx -e "$1" && echo "$name"
	done
}

@test "--help: usage, options, where to read on; 80 columns; nothing on stderr" {
	for name in $(commands); do
		status_is 0 "$name" --help
		err_is ''
		[[ $output == "usage: $name [option ...]"* ]] || explain "$name"
		out_has "See $name(1)"
		out_has '--version'
		[[ $(awk 'length > 80' <<<"$output") == '' ]] ||
		    explain "$name: wider than 80 columns"
	done
}

@test "--version names the command and the version" {
	for name in $(commands); do
		status_is 0 "$name" --version
		[[ $output =~ ^"$name (vmpipe) "[0-9]+\.[0-9]+\.[0-9]+$ ]] ||
		    explain "$name"
	done
}

@test "an option table has no name and no letter twice" {
	for name in $(commands); do
		table=$("$name" --dump-options)
		[[ $(awk -F'\t' 'NF != 4' <<<"$table") == '' ]]
		for column in 1 2; do
			twice=$(cut -f$column <<<"$table" | grep -v '^$' |
			    sort | uniq -d)
			[[ -z $twice ]] || { echo "$name: $twice"; return 1; }
		done
		help=$(awk -F'\t' '$4 == "" || $4 ~ /\.$/' <<<"$table")
		[[ -z $help ]] || { echo "$name: $help"; return 1; }
	done
}

@test "an unknown option: 64, one line, the nearest one and --help" {
	for name in $(commands); do
		status_is 64 "$name" --hepl
		out_is ''
		err_is "$name: --hepl: no such option (did you mean --help?); run: $name --help"
		status_is 64 "$name" --version=1
		err_is "$name: --version takes no value; run: $name --help"
		status_is 64 "$name" --root
		err_is "$name: --root needs a value, DIR; run: $name --help"
	done
}

@test "a long option may be abbreviated" {
	for name in $(commands); do
		status_is 0 "$name" --vers
		out_has "$name (vmpipe)"
	done
}

@test "a full or closed standard output is 74 and is said" {
	for name in $(commands); do
		for to in '>/dev/full' '>&-'; do
			run --separate-stderr bash -c "$name --help $to"
			[[ $status == 74 ]] || explain "$name $to: $status"
			[[ $stderr == "$name: "* ]] || explain "$name $to"
		done
	done
}

@test "a closed standard input or a strange umask does not matter for --help" {
	for name in $(commands); do
		status_is 0 bash -c "$name --help <&-"
		status_is 0 bash -c "umask 777; $name --help"
		status_is 0 env -i "$(command -v "$name")" --help
	done
}

@test "an unprintable letter is not printed" {
	for name in $(commands); do
		status_is 64 "$name" $'-\e'
		err_is "$name: -?: no such option; run: $name --help"
	done
}

# --- what records in and out have in common ----------------------------------

failed='{"vmpipe":1,"kind":"vm","name":"a","state":"failed","x":[1],'
failed+='"error":{"tool":"vmother","status":75,"code":"in_use",'
failed+='"message":"a: in use","retryable":true}}'

# A store with an image in it, for commands that want one before they read.
make_store()
{
	head -c 65536 /dev/urandom >base.raw
	vmfetch -a base ./base.raw >fetched
}

# Commands that read records and write them again.
filters() { comm -12 <(commands_with -r | sort) <(commands_with -o | sort); }

@test "no input is 66, and with -r nothing to do" {
	make_store
	for name in $(filters); do
		status_is 66 "$name" </dev/null
		[[ $output == *'"code":"no_input"'* ]] || explain "$name"
		[[ $stderr == "$name: "*"no input"* ]] || explain "$name"
		status_is 0 "$name" -r </dev/null
		out_is ''
		err_is ''
	done
}

@test "a failed record passes through untouched; the status is 1" {
	make_store
	for name in $(filters); do
		status_is 1 "$name" <<<"$failed"
		out_is "$failed"
		err_is ''
	done
}

# The commands of a pipe start together: lib/store/store_input.h.
@test "where there is no store yet, a failure is handed on and not lost" {
	for name in $(filters); do
		status_is 1 "$name" <<<"$failed"
		out_is "$failed"
		err_is ''
	done
}

@test "a line that is no record fails in its place, with its number" {
	make_store
	for name in $(filters); do
		status_is 65 "$name" <<<'{"vmpipe":1,'
		[[ $output == *"\"tool\":\"$name\""*'"status":65'* ]] ||
		    explain "$name"
		[[ $stderr == "$name: standard input:1: "* ]] || explain "$name"
		[[ $stderr != *$'\n'* ]] || explain "$name: more than a line"
	done
}

@test "a pipe of all of them hands a failure through to its end" {
	make_store
	stream=$failed
	for name in $(filters); do
		status_is 1 "$name" <<<"$stream"
		stream=$output
	done
	[[ $stream == "$failed" ]]
}

@test "-o is checked before anything is done; -o help lists the fields" {
	make_store
	for name in $(commands_with -o); do
		status_is 64 "$name" -o name,,state <<<"$failed"
		err_is "$name: -o: an empty field name"
		out_is ''
		status_is 77 "$name" -o private.random_seed <<<"$failed"
		out_is ''
		status_is 0 "$name" -o help
		out_has MEANING
	done
}

@test "records to a full disk: 74" {
	make_store
	for name in $(filters); do
		status_is 74 bash -c "$name >/dev/full" <<<"$failed"
		err_has "standard output"
	done
}

# Blocked in read(2) of standard input, x86-64's system call 0?
waits_for_input() { grep -q '^0 0x0 ' "/proc/$1/syscall"; }

@test "a signal ends the wait for input: 143, said and handed on" {
	[[ -z ${RUN:-} ]] || skip "requires the command itself, not \$RUN"
	[[ $(uname -m) == x86_64 ]] || skip "requires x86_64"
	make_store
	mkfifo input
	exec {keep}<>input
	for name in $(filters); do
		"$name" <input >out 2>err 3>&- &
		pid=$!
		wait_for waits_for_input "$pid"
		kill -TERM "$pid"
		status=0
		wait "$pid" || status=$?
		[[ $status == 143 ]]
		[[ $(jq -r '.error.tool + " " + (.error.status | tostring)' \
		    out) == "$name 130" ]]
		[[ $(<err) == "$name: "* ]]
	done
	exec {keep}>&-
}
