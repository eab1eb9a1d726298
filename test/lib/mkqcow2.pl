#!/usr/bin/perl
# mkqcow2.pl [KEY=VALUE...] >FILE - a small qcow2 file with any field forced.
#
# Without arguments: version 3, 64 KiB clusters, 1 MiB virtual, one data
# cluster.  A key is a header field by name, or l1.N, l2.N, refs.N (entries of
# the tables), ext (TYPE:HEX, a header extension), backing (a name), size (cut
# or grow the file), at (OFFSET:HEX, any bytes).  Values may be hexadecimal.
#
# mkhostile.pl loads this file and calls Qcow2::qcow2() itself.
package Qcow2;
use strict;
use warnings;

my $K = 65536;
my %field = (	# name => [offset, bytes, default]
	magic => [0, 4, 0x514649fb], version => [4, 4, 3],
	backing_offset => [8, 8, 0], backing_size => [16, 4, 0],
	cluster_bits => [20, 4, 16], virtual_size => [24, 8, 1 << 20],
	crypt => [32, 4, 0], l1_size => [36, 4, 1], l1_offset => [40, 8, 3 * $K],
	refs_offset => [48, 8, $K], refs_clusters => [56, 4, 1],
	nb_snapshots => [60, 4, 0], snapshots_offset => [64, 8, 0],
	incompatible => [72, 8, 0], compatible => [80, 8, 0],
	autoclear => [88, 8, 0], refcount_order => [96, 4, 4],
	header_length => [100, 4, 104],
);
my %table = (l1 => 3 * $K, l2 => 4 * $K, refs => $K);
my $file;

sub put { my ($at, $bytes) = @_; substr($file, $at, length $bytes) = $bytes }
sub number { my ($s) = @_; no warnings 'portable'; $s =~ /^0/ ? oct $s : $s }

sub qcow2 {
	$file = "\0" x (6 * $K);
	put($field{$_}[0], pack($field{$_}[1] == 4 ? 'N' : 'Q>', $field{$_}[2]))
	    for keys %field;
	put($table{l1}, pack 'Q>', 4 * $K | 1 << 63);
	put($table{l2}, pack 'Q>', 5 * $K | 1 << 63);
	put($table{refs}, pack 'Q>', 2 * $K);
	put(2 * $K, pack('n', 1) x 6);
	put(5 * $K, 'data' x ($K / 4));
	my $ext = 104;
	for (@_) {
		my ($key, $value) = /^([^=]+)=(.*)$/s or die "bad argument: $_\n";
		if ($field{$key}) {
			my ($at, $bytes) = @{ $field{$key} };
			put($at, pack($bytes == 4 ? 'N' : 'Q>', number($value)));
		} elsif ($key =~ /^(l1|l2|refs)\.(\d+)$/) {
			put($table{$1} + 8 * $2, pack 'Q>', number($value));
		} elsif ($key eq 'ext') {
			my ($type, $hex) = split /:/, $value;
			my $data = pack 'H*', $hex // '';
			put($ext, pack('NN', number($type), length $data) . $data);
			$ext += 8 + (length($data) + 7 & ~7);
		} elsif ($key eq 'backing') {
			put(512, $value);
			put(8, pack 'Q>N', 512, length $value);
		} elsif ($key eq 'size') {
			my $n = number($value);
			$file = substr($file . "\0" x ($n > length $file ?
			    $n - length $file : 0), 0, $n);
		} elsif ($key eq 'at') {
			my ($at, $hex) = split /:/, $value;
			put(number($at), pack 'H*', $hex);
		} else {
			die "unknown key: $key\n";
		}
	}
	return $file;
}

unless (caller) {
	binmode STDOUT;
	print qcow2(@ARGV) or die;
	close STDOUT or die "write: $!\n";
}
1;
