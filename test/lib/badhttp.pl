#!/usr/bin/perl
# badhttp.pl DIR LOG - an HTTP server that misbehaves exactly as it is told to.
#
# Listens on a free port of 127.0.0.1, writes it to LOG.port and serves the
# files in DIR until it is killed.  A request for /MODE,MODE=VALUE,.../FILE is
# answered in those ways; LOG gets one line per request: path, Range, If-Range
# and Authorization ("-" where absent).
#
#   drop=N       each answer ends after N bytes of the body
#   stall=N      ... and the connection then stays open, silent
#   rate=N       the body comes at N bytes a second
#   once         these three only happen to the first request
#   noetag weak  no ETag, a weak one (else a strong one)
#   norange      Range is ignored
#   lie total    a 206 begins one byte late, or gives another length
#   change       from the second request on the file is another one
#   nolength     no Content-Length: the body ends with the connection
#   fail=N       the first N requests get status 500
#   status=N     this status
#   after=N      with Retry-After: N
#   to=HEX       redirected to the URL that HEX is (pack 'H*')
#   hops=N       redirected N times, then answered
#   etag304      If-None-Match is obeyed
#   endless      a status other than 200 has a body without end
#   hollow       a 206 has no bytes
#   garbage      no HTTP at all
use strict;
use warnings;
use IO::Socket::INET;
use Fcntl qw(:flock SEEK_SET SEEK_END);

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
	close $listen;
	while (answer($client)) { }
	exit 0;
}

# How many requests for this path there were before; notes this one.
sub count_request {
	my ($path, $headers) = @_;
	open my $file, '+>>', $log or die;
	flock $file, LOCK_EX;
	seek $file, 0, SEEK_SET;
	my $before = grep { (split)[0] eq $path } <$file>;
	seek $file, 0, SEEK_END;
	print $file join(' ', $path, map { my $v = $headers->{$_} // '-';
	    $v =~ tr/ /_/; $v } qw(range if-range authorization)), "\n";
	close $file;
	return $before;
}

sub answer {
	my ($client) = @_;
	my $line = <$client> // return 0;
	my ($path) = $line =~ m{^GET (\S+)} or return 0;
	my (%header, %mode);
	while (defined($_ = <$client>) && /^([^:]+):\s*(.*?)\r?\n/) {
		$header{ lc $1 } = $2;
	}
	my ($modes, $name) = $path =~ m{^/([^/]*)/(.*)} or return 0;
	/^([^=]+)(?:=(.*))?$/ and $mode{$1} = $2 // 1 for split /,/, $modes;
	my $before = count_request($path, \%header);
	delete @mode{qw(drop stall rate)} if $mode{once} && $before;

	if ($mode{garbage}) { print $client "BLAH\r\n\r\n" x 10; return 0 }
	my $status = $mode{status} // 200;
	$status = 500 if $before < ($mode{fail} // 0);
	my @more = defined $mode{after} ? "Retry-After: $mode{after}" : ();
	my $to = $mode{to} ? pack 'H*', $mode{to} :
	    $mode{hops} ? '/hops=' . ($mode{hops} - 1) . "/$name" : undef;
	if (defined $to) {
		$status = 302;
		push @more, "Location: $to";
	}
	return send_endless($client, $status, @more)
	    if $status != 200 && $mode{endless};
	return send_head($client, $status, @more, 'Content-Length: 0')
	    if $status != 200;
	return send_file($client, "$dir/$name", $before, \%mode, \%header);
}

sub send_head {
	my ($client, $status, @lines) = @_;
	print $client join("\r\n", "HTTP/1.1 $status x", @lines, '', '');
	$client->flush;
	return 1;
}

sub send_endless {
	my ($client, $status, @lines) = @_;
	send_head($client, $status, @lines, 'Connection: close');
	1 while print $client 'sorry ' x 4096;
	return 0;
}

sub send_body {
	my ($client, $body, $rate) = @_;
	if ($rate) {
		my $step = int($rate / 10) || 1;
		for (my $at = 0; $at < length $body; $at += $step) {
			print $client substr $body, $at, $step or return;
			$client->flush;
			select undef, undef, undef, 0.1;
		}
		return;
	}
	print $client $body;
	$client->flush;
}

sub send_file {
	my ($client, $path, $before, $mode, $header) = @_;
	open my $file, '<:raw', $path or
	    return send_head($client, 404, 'Content-Length: 0');
	my $data = do { local $/; <$file> };
	my $changed = $mode->{change} && $before > 0 ? 1 : 0;
	$data =~ s/data/DATA/g if $changed;
	my $etag = $mode->{noetag} ? '' :
	    ($mode->{weak} ? 'W/' : '') . "\"v$changed\"";
	my ($size, $from, $status, @more) = (length $data, 0, 200);

	push @more, "ETag: $etag" if $etag;
	return send_head($client, 304, @more)
	    if $mode->{etag304} && ($header->{'if-none-match'} // '') eq $etag;
	if (($header->{range} // '') =~ /^bytes=(\d+)-(\d*)$/ &&
	    !$mode->{norange} &&
	    ($header->{'if-range'} // $etag) eq $etag) {
		($from, $status) = ($1, 206);
		my $to = length $2 && $2 < $size ? $2 : $size - 1;
		return send_head($client, 416, 'Content-Length: 0')
		    if $from >= $size;
		my ($first, $total) = ($from, $size);
		$first++ if $mode->{lie};
		$total++ if $mode->{total};
		push @more, "Content-Range: bytes $first-$to/$total";
		$data = substr $data, 0, $to + 1;
	}
	my $body = substr $data, $from;
	$body = '' if $mode->{hollow} && $from;
	push @more, $mode->{nolength} ? 'Connection: close' :
	    'Content-Length: ' . length $body;
	send_head($client, $status, @more);
	my $part = $mode->{drop} // $mode->{stall};
	$body = substr $body, 0, $part if defined $part;
	send_body($client, $body, $mode->{rate});
	if (defined $mode->{stall}) { 1 while defined <$client> }
	return !defined $part && !$mode->{nolength};
}
