#!/usr/bin/perl
# qmp.pl SOCKET COMMAND... - asks a QEMU; each command's result as one line.
use strict;
use warnings;
use IO::Socket::UNIX;
use JSON::PP;

my $path = shift;
my $socket = IO::Socket::UNIX->new($path) or die "$path: $!\n";
readline $socket;
for my $command ('qmp_capabilities', @ARGV) {
	print $socket encode_json({ execute => $command }), "\n";
	my $answer;
	do {
		$answer = decode_json(scalar readline $socket);
	} while exists $answer->{event};
	print encode_json($answer->{return} // $answer->{error}), "\n"
	    if $command ne 'qmp_capabilities';
}
