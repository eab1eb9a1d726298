#!/usr/bin/perl
# cloud.pl DIR LOG - an object store like S3 and a container registry, in small.
#
# Listens on a free port of 127.0.0.1, writes it to LOG.port and serves until it
# is killed.  LOG gets one line per request: method, path, and which kind of
# credential came along.  The signature is checked by an implementation of its
# own, so that ours is not its own judge.
#
#   /BUCKET/KEY                  DIR/s3/BUCKET/KEY: signed (AKTEST, se/cr+et) or
#                                with DIR/s3/BUCKET/.public by anybody
#   /v2/REPO/manifests|blobs/X   DIR/oci/REPO/manifests|blobs/X with a token for
#                                REPO; blobs are elsewhere when DIR/blobs-at has
#                                the beginning of a URL
#   /token                       gives one; with DIR/private to amy:secret only;
#                                DIR/token is what it answers instead
#
# DIR/drop: the first answer with a longer file ends after so many bytes of it,
# and with DIR/expiring nobody gets more of it with the same signature;
# DIR/region: another one than this is sent away, as S3 does it, to nowhere.
# DIR/realm is where the registry says that tokens are, else /token by the
# protocol in DIR/scheme (https); DIR/basic: it wants user and password itself.
use strict;
use warnings;
use Digest::SHA qw(hmac_sha256 hmac_sha256_hex sha256_hex);
use IO::Socket::INET;
use MIME::Base64;
use Time::Local;

my ($dir, $log) = @ARGV;
$SIG{CHLD} = 'IGNORE';
my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 64)
    or die "listen: $!\n";
open my $port, '>', "$log.port~" or die;
print $port $listen->sockport;
close $port;
rename "$log.port~", "$log.port" or die;
while (1) {
	my $client = $listen->accept or next;
	next if fork;
	answer($client);
	exit 0;
}

sub slurp {
	my ($path) = @_;
	open my $file, '<:raw', $path or return undef;
	local $/;
	return scalar <$file>;
}

sub spill {
	my ($path, $text) = @_;
	open my $file, '>', $path or die;
	print $file $text;
	close $file;
}

sub word {
	my $text = slurp("$dir/$_[0]") // return undef;
	$text =~ s/\s+$//;
	return $text;
}

sub decode { my ($s) = @_; $s =~ s/%(..)/chr hex $1/ge; return $s }

sub reply {
	my ($client, $status, $body, @headers) = @_;
	print $client join "\r\n", "HTTP/1.1 $status", @headers,
	    'Content-Length: ' . length $body, 'Connection: close', '', $body;
}

sub answer {
	my ($client) = @_;
	my ($line, %h) = (scalar <$client> // return);
	while (<$client> =~ /^([^:]+):\s*(.*?)\r?$/) { $h{lc $1} = $2 }
	my ($method, $path, $query) =
	    $line =~ m{^(\S+) ([^ ?]+)(?:\?(\S*))? HTTP} or return;
	my $kind = ($query // '') =~ /X-Amz-Signature/ ? 'signed' :
	    ($h{authorization} // 'none') =~ /^(\w+)/ && lc $1;
	open my $file, '>>', $log or die;
	print $file "$method $path $kind\n";
	close $file;
	return token($client, $query, \%h) if $path eq '/token';
	return registry($client, $path, \%h) if $path =~ m{^/v2/};
	return object($client, $path, $query, \%h);
}

sub send_file {
	my ($client, $path, $h) = @_;
	my $data = slurp($path) // return reply($client, '404 Not Found', '');
	my $etag = 'ETag: "' . sha256_hex($data) . '"';
	if (length $data > (my $drop = word('drop') // length $data)) {
		unlink "$dir/drop";
		spill("$dir/expired", $h->{query}) if -e "$dir/expiring";
		print $client join "\r\n", 'HTTP/1.1 200 OK', $etag,
		    'Content-Length: ' . length $data, '', substr $data, 0, $drop;
		return;
	}
	return reply($client, '200 OK', $data, $etag)
	    unless ($h->{range} // '') =~ /^bytes=(\d+)-$/;
	reply($client, '206 Partial Content', substr($data, $1), $etag,
	    "Content-Range: bytes $1-" . (length($data) - 1) . '/' .
	    length $data);
}

# --- the object store ---------------------------------------------------------

sub is_signed {
	my ($path, $query, $host) = @_;
	my %q = map { my ($k, $v) = split /=/, $_, 2; ($k, decode($v // '')) }
	    split /&/, $query // '';
	my @rest = grep { !/^X-Amz-Signature=/ } split /&/, $query // '';
	my ($id, $day, $region, $service, $end) =
	    split m{/}, $q{'X-Amz-Credential'} // '';
	my ($y, $mo, $d, $hh, $mm, $ss) = ($q{'X-Amz-Date'} // '') =~
	    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/ or return 0;
	my $age = time - timegm($ss, $mm, $hh, $d, $mo - 1, $y);
	return 0 if $id ne 'AKTEST' || $service ne 's3' ||
	    $end ne 'aws4_request' || abs($age) > 60 || $day ne "$y$mo$d" ||
	    ($q{'X-Amz-Security-Token'} // '') ne (word('session') // '');
	my $request = join "\n", 'GET', $path, join('&', sort @rest),
	    "host:$host", '', 'host', 'UNSIGNED-PAYLOAD';
	my $text = join "\n", 'AWS4-HMAC-SHA256', $q{'X-Amz-Date'},
	    "$day/$region/s3/aws4_request", sha256_hex($request);
	my $key = 'AWS4se/cr+et';
	$key = hmac_sha256($_, $key) for $day, $region, 's3', 'aws4_request';
	return hmac_sha256_hex($text, $key) eq ($q{'X-Amz-Signature'} // '');
}

sub object {
	my ($client, $path, $query, $h) = @_;
	my ($bucket) = $path =~ m{^/([^/]+)/};
	$h->{query} = $query // '';
	return reply($client, '403 Forbidden', '<Error/>')
	    if (word('expired') // '') eq $h->{query} && $query;
	my $region = word('region');
	return reply($client, '301 Moved Permanently', '<Error/>')
	    if defined $region && ($query // '') !~ m{%2F$region%2F};
	return reply($client, '403 Forbidden', '<Error/>')
	    unless -e "$dir/s3/$bucket/.public" ||
	    is_signed($path, $query, $h->{host});
	send_file($client, "$dir/s3" . decode($path), $h);
}

# --- the registry -------------------------------------------------------------

sub is_amy {
	my ($h) = @_;
	return ($h->{authorization} // '') eq
	    'Basic ' . encode_base64('amy:secret', '');
}

sub token {
	my ($client, $query, $h) = @_;
	return reply($client, '401 Unauthorized', '{}')
	    if -e "$dir/private" && !is_amy($h);
	my ($repo) = decode($query) =~ /scope=repository:(.*):pull/;
	reply($client, '200 OK', slurp("$dir/token") //
	    '{"token":"T-' . unpack('H*', $repo) . '"}');
}

sub registry {
	my ($client, $path, $h) = @_;
	my $realm = word('realm') //
	    (word('scheme') // 'https') . "://$h->{host}/token";
	my ($repo, $what, $name) =
	    $path =~ m{^/v2/(.+)/(manifests|blobs)/([^/]+)$};
	my $let_in = -e "$dir/basic" ? is_amy($h) : $repo &&
	    ($h->{authorization} // '') eq 'Bearer T-' . unpack 'H*', $repo;
	return reply($client, '401 Unauthorized', '{}', 'WWW-Authenticate: ' .
	    (-e "$dir/basic" ? 'Basic realm="r"' :
		"Bearer realm=\"$realm\",service=\"reg, of tests\""))
	    unless $let_in;
	return reply($client, '406 Not Acceptable', '') if
	    $what eq 'manifests' &&
	    ($h->{accept} // '') !~ /oci\.image\.manifest/;
	my $at = word('blobs-at');
	spill("$dir/sent", (word('sent') // 0) + 1) if defined $at;
	return reply($client, '307 Temporary Redirect', '',
	    "Location: $at/$name?X-Sig=let-me-in" . word('sent'))
	    if $what eq 'blobs' && defined $at;
	send_file($client, "$dir/oci/$repo/$what/$name", $h);
}
