# vmfetch from s3://: against a server that checks the signatures itself.
# shellcheck shell=bash disable=SC2154 # set by common.bash and bats

load ../lib/common
load ../lib/tls
load ../lib/cloud

setup()
{
	fresh
	unset "${!AWS_@}"
	mkdir -p cloud/s3/images/debian
	"$top/test/lib/mkqcow2.pl" >cloud/s3/images/debian/box.qcow2
	sum=$(sha256sum cloud/s3/images/debian/box.qcow2 | cut -d' ' -f1)
	serve_cloud
	export AWS_ENDPOINT_URL_S3=https://$tls
}

use_keys() { export AWS_ACCESS_KEY_ID=AKTEST AWS_SECRET_ACCESS_KEY=se/cr+et; }
get() { vmfetch --cacert ca.pem "$@"; }
got_it() { [ "$(jq -r .image.id <<<"$output")" = "$sum" ]; }

# Nothing of what lets one in is anywhere that others may look.
keeps_secrets()
{
	[[ $output$stderr != *X-Amz* && $output$stderr != *AKTEST* ]] ||
		return
	is_not_stored 'X-Amz|AKTEST|se/cr'
}

@test "s3://: a signed request" {
	use_keys
	status_is 0 get s3://images/debian/box.qcow2
	err_is ''
	got_it
	[ "$(jq -r .image.alias <<<"$output")" = box ]
	[ "$(asked GET /images/debian/box.qcow2 signed)" = 1 ]
	[ "$(jq -r .source "$VMPIPE_ROOT/images/$sum/image.json")" = \
	    s3://images/debian/box.qcow2 ]
	keeps_secrets
	# a conditional request
	status_is 0 get --refresh box
	[ "$(jq -r .image.generation <<<"$output")" = 1 ]
}

@test "s3://: keys with characters that signing makes hard" {
	use_keys
	export AWS_SESSION_TOKEN='t/+='
	echo 't/+=' >cloud/session
	name="a b+c%41&d=é'~(1).img"
	cp cloud/s3/images/debian/box.qcow2 "cloud/s3/images/$name"
	status_is 0 get "s3://images/$name"
	got_it
	keeps_secrets
}

@test "s3://: a profile of AWS's files" {
	mkdir .aws
	printf '[lab]\naws_access_key_id = AKTEST\n' >.aws/credentials
	printf 'aws_secret_access_key = se/cr+et\n' >>.aws/credentials
	printf '[profile lab]\nregion = moon-1\nendpoint_url = https://%s\n' \
	    "$tls" >.aws/config
	unset AWS_ENDPOINT_URL_S3
	AWS_PROFILE=lab status_is 0 get s3://images/debian/box.qcow2
	got_it
	AWS_PROFILE=nowhere status_is 78 get -a two s3://images/debian/box.qcow2
	err_has 'the profile nowhere (AWS_PROFILE)'
}

@test "s3://: nobody's request for what is everybody's" {
	status_is 77 get s3://images/debian/box.qcow2
	err_has 'run: AWS_PROFILE=NAME vmfetch s3://images/debian/box.qcow2'
	: >cloud/s3/images/.public
	status_is 0 get s3://images/debian/box.qcow2
	got_it
	[ "$(asked GET /images/debian/box.qcow2 none)" = 2 ]
}

@test "s3://: a wrong secret, a missing key, a missing half" {
	use_keys
	AWS_SECRET_ACCESS_KEY=wrong status_is 77 get s3://images/debian/box.qcow2
	keeps_secrets
	status_is 66 get s3://images/none.img
	err_has 's3://images/none.img'
	keeps_secrets
	unset AWS_SECRET_ACCESS_KEY
	status_is 78 get s3://images/debian/box.qcow2
	err_has 'AWS_SECRET_ACCESS_KEY'
	no_litter
}

@test "s3://: a transfer that breaks off; a bucket in another region" {
	use_keys
	head -c 3M /dev/urandom >cloud/s3/images/big.img
	sum=$(sha256sum cloud/s3/images/big.img | cut -d' ' -f1)
	echo 2000000 >cloud/drop
	status_is 0 get s3://images/big.img
	got_it
	[ "$(asked GET /images/big.img signed)" = 2 ]
	echo moon-1 >cloud/region
	status_is 76 get -a two s3://images/debian/box.qcow2
	err_has 'run: AWS_REGION=REGION vmfetch'
	keeps_secrets
	AWS_REGION=moon-1 status_is 0 get -a two s3://images/debian/box.qcow2
}

@test "s3://: a signature never goes in the clear, nor a file without a digest" {
	use_keys
	export AWS_ENDPOINT_URL_S3=http://$plain
	status_is 77 vmfetch --checksum "sha256:$sum" \
	    s3://images/debian/box.qcow2
	err_has 'anybody on the way could use the signature'
	[ ! -s "$log" ]
	status_is 0 vmfetch --insecure s3://images/debian/box.qcow2
	got_it
	unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
	: >cloud/s3/images/.public
	status_is 77 vmfetch -a two s3://images/debian/box.qcow2
	err_has 'no digest'
}

@test "s3://: checksums beside it, and a digest that is wrong" {
	use_keys
	(cd cloud/s3/images/debian && sha256sum box.qcow2 >SHA256SUMS)
	status_is 65 get --checksum "sha256:${sum//[a-f]/0}" \
	    s3://images/debian/box.qcow2
	err_has "sha256 is $sum"
	status_is 0 get --checksums auto s3://images/debian/box.qcow2
	got_it
	[ "$(jq -r .trust.by "$VMPIPE_ROOT/images/$sum/image.json")" = checksums ]
	[ "$(asked GET /images/debian/SHA256SUMS signed)" = 1 ]
	keeps_secrets
}

@test "s3://: what is no object's name; options that say nothing to it" {
	use_keys
	for bad in s3://images s3://images/ s3://im/x s3://images/a/../b \
	    s3://images/dir/ s3://a@images/x; do
		status_is 64 get "$bad"
	done
	echo amy:pw >auth && chmod 600 auth
	status_is 64 get --auth-file auth s3://images/debian/box.qcow2
	AWS_ENDPOINT_URL_S3=https://u:p@h status_is 78 get s3://images/x
	[[ $stderr != *u:p* ]]
	AWS_REGION='x.evil.example/' status_is 78 get s3://images/x
	[ ! -s "$log" ]
}
