#!/usr/bin/perl
# ftpd.pl DIR LOG [CERT KEY] - a small FTP server that misbehaves as it is told.
#
# Listens on a free port of 127.0.0.1, writes it to LOG.port and serves the
# files in DIR, passively and only to read, until it is killed; with CERT and
# KEY (PEM files) over TLS, as ftps does.  MODE,MODE=VALUE/FILE is answered in
# those ways; LOG gets one line per RETR: path, REST, user:password.
#
#   drop=N     the data ends after N bytes, with 426
#   stall=N    ... and stays open, silent
#   once       these two only happen to the first RETR of the path
#   nosize     SIZE is not known; norest: nor REST
#   longer     SIZE gives one byte less than there is
#   fail=N     the first N RETRs get 450
use strict;
use warnings;
use IO::Socket::INET;
use Fcntl qw(:flock SEEK_SET SEEK_END);

my ($dir, $log, @tls) = @ARGV;
my %tls = @tls ? (SSL_server => 1, SSL_cert_file => $tls[0],
    SSL_key_file => $tls[1]) : ();
require IO::Socket::SSL if %tls;
$SIG{CHLD} = 'IGNORE';
$SIG{PIPE} = 'IGNORE';
my $listen = listen_somewhere();
open my $port, '>', "$log.port~" or die;
print $port $listen->sockport;
close $port;
rename "$log.port~", "$log.port" or die;
while (1) {
	my $client = $listen->accept or next;
	next if fork;
	close $listen;
	converse(secure($client));
	exit 0;
}

sub listen_somewhere {
	return IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 16)
	    || die "listen: $!\n";
}

sub secure {
	my ($socket) = @_;
	return $socket if !%tls;
	return IO::Socket::SSL->start_SSL($socket, %tls) || exit 1;
}

# How many RETRs of this path there were before; notes this one.
sub count_request {
	my ($path, @rest) = @_;
	open my $file, '+>>', $log or die;
	flock $file, LOCK_EX;
	seek $file, 0, SEEK_SET;
	my $before = grep { (split)[0] eq $path } <$file>;
	seek $file, 0, SEEK_END;
	print $file join(' ', $path, @rest), "\n";
	close $file;
	return $before;
}

sub parse_path {
	my ($path) = @_;
	$path =~ s{^/}{};
	my ($modes, $name) = $path =~ m{^([^/]*)/([^/]+)$} or return;
	my %mode;
	/^([^=]+)(?:=(.*))?$/ and $mode{$1} = $2 // 1 for split /,/, $modes;
	return ("$dir/$name", \%mode);
}

sub converse {
	my ($client) = @_;
	my ($user, $password, $rest, $passive) = ('', '', 0);
	my $say = sub { print $client "$_[0]\r\n"; $client->flush };

	$say->('220 ready');
	while (defined(my $line = <$client>)) {
		my ($verb, $arg) = $line =~ /^(\w+) ?(.*?)\r?\n$/ or last;
		my ($file, $mode) = parse_path($arg);
		if ($verb eq 'USER') { $user = $arg; $say->('331 password') }
		elsif ($verb eq 'PASS') {
			$password = $arg;
			$say->($password eq 'wrong' ? '530 no' : '230 hello');
		}
		elsif ($verb eq 'PWD') { $say->('257 "/" here') }
		elsif ($verb =~ /^(TYPE|PBSZ|PROT)$/) { $say->('200 fine') }
		elsif ($verb eq 'EPSV') {
			$passive = listen_somewhere();
			$say->('229 ok (|||' . $passive->sockport . '|)');
		}
		elsif ($verb eq 'SIZE') {
			my $size = defined $file && -s $file;
			$say->($mode && $mode->{nosize} ? '502 what?' :
			    !defined $size ? '550 no such file' :
			    '213 ' . ($size - ($mode->{longer} // 0)));
		}
		elsif ($verb eq 'REST') { $rest = $arg; $say->('350 ok') }
		elsif ($verb eq 'RETR') {
			send_file($say, $passive, $arg, $rest,
			    "$user:$password");
			$rest = 0;
		}
		elsif ($verb eq 'QUIT') { $say->('221 bye'); last }
		else { $say->('502 what?') }
	}
}

sub send_file {
	my ($say, $passive, $path, $rest, $who) = @_;
	my ($name, $mode) = parse_path($path);
	my $before = count_request($path, $rest, $who);

	return $say->('450 busy') if $before < ($mode->{fail} // 0);
	return $say->('501 no REST') if $rest && $mode->{norest};
	open my $file, '<:raw', $name // '' or
	    return $say->('550 no such file');
	my $data = do { local $/; <$file> };
	delete @$mode{qw(drop stall)} if $mode->{once} && $before;
	$say->('150 here it comes');
	my $socket = secure($passive->accept);
	my $part = $mode->{drop} // $mode->{stall};
	my $body = substr $data, $rest;
	print $socket defined $part ? substr($body, 0, $part) : $body;
	$socket->flush;
	if (defined $mode->{stall}) { 1 while defined <$socket> }
	close $socket;
	$say->(defined $part && $part < length $body ? '426 lost' : '226 done');
}
