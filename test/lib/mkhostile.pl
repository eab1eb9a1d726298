#!/usr/bin/perl
# mkhostile.pl DIR - writes the hostile images of hostile.table to DIR.
#
# Prints for each, with tabs between: its file's name, the code that inspect.h
# must refuse it with, the code that vmfetch must, its line of the table.
use strict;
use warnings;
use Compress::Zlib ();
use FindBin;
use IO::Compress::Bzip2 ();

my $lib = $FindBin::Bin;
my $dir = shift // die "usage: mkhostile.pl DIR\n";

require "$lib/mkqcow2.pl";
require "$lib/mkdisk.pl";

# Through a program that reads stdin.
sub through {
	my ($data, @program) = @_;
	my $in = "$dir/.in";

	spill($in, $data);
	open my $out, '-|', "@program <$in" or die "$program[0]: $!\n";
	binmode $out;
	local $/;
	$data = <$out>;
	close $out or die "$program[0]: status $?\n";
	unlink $in;
	return $data;
}

sub bzip2 {
	my ($data) = @_;
	my $packed;

	IO::Compress::Bzip2::bzip2(\$data, \$packed);
	return $packed;
}

# An xz file whose dictionary is said to have 4 GiB: the properties' byte of
# the only filter of the first block.
sub xz_dictionary {
	my $xz = through($_[0], 'xz', '-c');
	my $len = (ord(substr $xz, 12) + 1) * 4;

	substr($xz, 16, 1) = "\x28";
	substr($xz, 12 + $len - 4, 4) =
	    pack 'V', Compress::Zlib::crc32(substr $xz, 12, $len - 4);
	return $xz;
}

# A zstd frame with a window of 2 GiB: magic, descriptor, window, raw block.
sub zst_window {
	my ($data) = @_;

	$data = substr $data, 0, 65536;
	return "\x28\xb5\x2f\xfd\x00\xa8" .
	    substr(pack('V', 1 | length($data) << 3), 0, 3) . $data;
}

my %packers = (
	gz => sub { Compress::Zlib::memGzip($_[0]) }, bz2 => \&bzip2,
	xz => sub { through($_[0], 'xz', '-c0') },
	zst => sub { through($_[0], 'zstd', '-qc') },
	lz4 => sub { through($_[0], 'lz4', '-qc') },
	dictionary => \&xz_dictionary, window => \&zst_window,
	half => sub { substr $_[0], 0, length($_[0]) / 2 },
	damage => sub { my $s = $_[0]; substr($s, length($s) / 2, 8) ^= "\xff" x
	    8; $s },
);

# raw at=OFFSET:HEX size=N: 256 KiB of no format.
sub raw {
	my $data = 'data' x 65536;

	for (@_) {
		if (/^at=(\d+):(.*)$/) {
			substr($data, $1, length($2) / 2) = pack 'H*', $2;
		} elsif (/^size=(\d+)$/) {
			$data = substr $data, 0, $1;
		} else {
			die "bad argument: $_\n";
		}
	}
	return $data;
}

# PACKER+PACKER+FORMAT ARGUMENT...; an argument's spaces are written as "_".
sub make {
	my ($what, @args) = split ' ', $_[0];
	my @steps = split /\+/, $what;
	my $format = pop @steps;
	my $data;

	s/(?<==)(.*)/$1 =~ tr{_}{ }r/e for grep /^text=/, @args;
	$data = $format eq 'qcow2' ? Qcow2::qcow2(@args) :
	    $format eq 'raw' ? raw(@args) : Disk::disk($format, @args);
	$data = $packers{$_}->($data) for reverse @steps;
	return $data;
}

# Zeros become holes.
sub spill {
	my ($path, $data) = @_;
	my $step = 65536;
	my $zeros = "\0" x $step;

	open my $out, '>:raw', $path or die "$path: $!\n";
	for (my $at = 0; $at < length $data; $at += $step) {
		my $piece = substr $data, $at, $step;
		next if $piece eq $zeros;
		sysseek $out, $at, 0 or die;
		syswrite($out, $piece) == length $piece or die "$path: $!\n";
	}
	truncate $out, length $data or die "$path: $!\n";
	close $out or die "$path: $!\n";
}

# A line at the margin is one code or two; those below it are indented, and
# begin with the file's ending where it matters.
my ($codes, $number) = ('', 0);

open my $table, '<', "$lib/hostile.table" or die "hostile.table: $!\n";
while (<$table>) {
	chomp;
	next if /^(#|\s*$)/;
	if (/^(\w+) ?([\w|]*)$/) {
		$codes = "$1\t" . ($2 || $1);
		next;
	}
	my ($ending, $what) = /^\t(\.\S+)?\s*(.*)$/ or die "bad line: $_\n";
	my $name = sprintf '%03d%s', ++$number, $ending // '.img';
	spill("$dir/$name", make($what));
	print "$name\t$codes\t$what\n";
}
