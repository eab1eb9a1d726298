#!/usr/bin/env bats
# tools/deps, with a dpkg-query and an apt-get of our own, so that nothing is
# asked of this machine and nothing installed.

load ../lib/common

setup()
{
	fresh
	mkdir stub
	# Says that all it is asked for is installed, but what $LACKING names.
	cat >stub/dpkg-query <<-'END'
		#!/bin/bash
		shift 3		# -W -f FORMAT
		for package; do
			[[ " $LACKING " == *" $package "* ]] ||
				echo "installed $package"
		done
	END
	printf '#!/bin/sh\necho "apt-get $*" >>apt.log\n' >stub/apt-get
	chmod +x stub/*
	PATH=$PWD/stub:$PATH
}

@test "deps: silent when nothing is missing, for every group" {
	for group in '' build demo check lint bench all 'build lint'; do
		# shellcheck disable=SC2086 # two words are two groups
		LACKING='' status_is 0 "$top/tools/deps" $group
		out_is ''
		err_is ''
	done
	[[ ! -e apt.log ]]
}

@test "deps: -n says what to type and installs nothing" {
	LACKING='jq gcc' status_is 69 "$top/tools/deps" -n demo
	out_is ''
	err_has 'deps: missing packages; as root type:'
	err_has 'apt-get install --no-install-recommends gcc jq'
	[[ ! -e apt.log ]]
}

@test "deps: a group asks for no more than it needs" {
	LACKING='clang-tidy' status_is 0 "$top/tools/deps" check
	LACKING='clang-tidy' status_is 69 "$top/tools/deps" -n lint
	LACKING='clang-tidy' status_is 69 "$top/tools/deps" -n
}

@test "deps: wrong usage" {
	status_is 64 "$top/tools/deps" -x
	err_has 'usage: tools/deps'
	status_is 64 "$top/tools/deps" everything
}

@test "deps: VMPIPE_SKIP_DEPS=1 trusts the caller" {
	VMPIPE_SKIP_DEPS=1 LACKING=gcc status_is 0 "$top/tools/deps"
	err_is ''
}
