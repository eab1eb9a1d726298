#!/usr/bin/perl
# mkdisk.pl FORMAT [KEY=VALUE...] >FILE - a small VMDK, VHD, VHDX or VDI file
# with any field forced.
#
# FORMAT is vmdk, stream (a stream-optimized VMDK), vhd, fixed (a fixed VHD),
# vhdx or vdi.  A key is a field by name, or sN:OFFSET (N bytes at a place, in
# the byte order of the format), text (s/FROM/TO/ in a VMDK's descriptor, with
# %0a for a new line), second (OFFSET:HEX, bytes of a VHDX's second table of
# regions), size (cut or grow the file) or at (OFFSET:HEX, any bytes).
# Checksums are right unless sum=0 is given; size and at come after them.
# Values may be hexadecimal.
#
# mkhostile.pl loads this file and calls Disk::disk() itself.
package Disk;
use strict;
use warnings;
use Compress::Zlib ();

my ($M, $K) = (1 << 20, 1 << 10);
my $file;

sub put {
	my ($at, $bytes) = @_;

	$file .= "\0" x ($at - length $file) if $at > length $file;
	substr($file, $at, length $bytes) = $bytes;
}

sub number { my ($s) = @_; no warnings 'portable'; $s =~ /^0./ ? oct $s : $s }

# The fields of each format: name => [offset, bytes].
my %vmdk = (
	magic => [0, 4], version => [4, 4], flags => [8, 4],
	capacity => [12, 8], grain => [20, 8], text_at => [28, 8],
	text_len => [36, 8], entries => [44, 4], copy => [48, 8],
	directory => [56, 8], data => [64, 8], unclean => [72, 1],
	packing => [77, 2], copy0 => [21 * 512, 4], gd0 => [26 * 512, 4],
	copy_gt0 => [22 * 512, 4], gt0 => [27 * 512, 4],
	gt1 => [27 * 512 + 4, 4], copy_gt1 => [22 * 512 + 4, 4],
);
my $after = 27 * 512;	# a stream's grain
my %stream = (%vmdk,
	lba => [$after, 8], len => [$after + 8, 4],
	gt0 => [28 * 512, 4], gt1 => [28 * 512 + 4, 4], gd0 => [32 * 512, 4],
	footer_size => [33 * 512 + 8, 4], footer_type => [33 * 512 + 12, 4],
	footer_magic => [34 * 512, 4], footer_capacity => [34 * 512 + 12, 8],
	footer_grain => [34 * 512 + 20, 8],
	footer_directory => [34 * 512 + 56, 8], eos => [35 * 512 + 12, 4],
	footer_packing => [34 * 512 + 77, 2],
);
my %vhd = (
	version => [12, 4], header => [16, 8], current => [48, 8],
	type => [60, 4], saved => [84, 1], table => [528, 8],
	header_version => [536, 4], entries => [540, 4], block => [544, 4],
	parent => [552, 4], parent_name => [576, 2], locator => [1088, 4],
	bat0 => [1536, 4], bat1 => [1540, 4], bat3 => [1548, 4],
);
my %vdi = (
	version => [68, 4], type => [76, 4], map => [340, 4],
	data => [344, 4], sector => [360, 4], disk => [368, 8],
	block => [376, 4], extra => [380, 4], blocks => [384, 4],
	link => [424, 4], parent => [440, 4], map0 => [512, 4],
	map1 => [516, 4], map2 => [520, 4],
);
my %vhdx = (
	seq => [128 * $K + 8, 8], log_id => [128 * $K + 48, 4],
	log_version => [128 * $K + 64, 2], version => [128 * $K + 66, 2],
	log_len => [128 * $K + 68, 4], log => [128 * $K + 72, 8],
	old_seq => [64 * $K + 8, 8], old_log_id => [64 * $K + 48, 4],
	regions => [192 * $K + 8, 4], items => [2 * $M + 10, 2],
	block => [2 * $M + 64 * $K, 4], params => [2 * $M + 64 * $K + 4, 4],
	disk => [2 * $M + 64 * $K + 8, 8], logical => [2 * $M + 64 * $K + 16, 4],
	bat0 => [3 * $M, 8], bat1 => [3 * $M + 8, 8], bat2 => [3 * $M + 16, 8],
	(map { ("region${_}_id" => [192 * $K + 16 + 32 * $_, 4],
	    "region${_}_at" => [192 * $K + 32 + 32 * $_, 8],
	    "region${_}_len" => [192 * $K + 40 + 32 * $_, 4],
	    "region${_}_must" => [192 * $K + 44 + 32 * $_, 4]) } 0 .. 2),
	(map { ("item${_}_id" => [2 * $M + 32 + 32 * $_, 4],
	    "item${_}_at" => [2 * $M + 48 + 32 * $_, 4],
	    "item${_}_len" => [2 * $M + 52 + 32 * $_, 4],
	    "item${_}_flags" => [2 * $M + 56 + 32 * $_, 4]) } 0 .. 5),
);

sub descriptor {
	my ($type) = @_;

	return <<"END";
# Disk DescriptorFile
version=1
CID=fffffffe
parentCID=ffffffff
createType="$type"

# Extent description
RW 2048 SPARSE "disk.vmdk"

# The Disk Data Base
ddb.adapterType = "ide"
END
}

sub vmdk {
	$file = "\0" x (40 * 512);
	put(0, pack 'a4VVQ<Q<Q<Q<VQ<Q<Q<Ca4v', 'KDMV', 1, 3, 2048, 8, 1, 20,
	    512, 21, 26, 32, 0, "\n \r\n", 0);
	put(512, descriptor('monolithicSparse'));
	put($_->[0] * 512, pack 'V', $_->[1]) for [21, 22], [26, 27], [22, 32],
	    [27, 32];
	put(32 * 512, 'data' x 1024);
}

# Header, text, grain, table, directory, footer.
sub stream {
	my $grain = Compress::Zlib::compress('data' x 1024);
	my @head = (3, 0x30001, 2048, 8, 1, 20, 512, 0, ~0, 27, 0, "\n \r\n", 1);

	$file = "\0" x (36 * 512);
	put(0, pack 'a4VVQ<Q<Q<Q<VQ<Q<Q<Ca4v', 'KDMV', @head);
	put(512, descriptor('streamOptimized'));
	put($after, pack('Q<V', 0, length $grain) . $grain);
	put(28 * 512, pack 'V', 27);
	put(32 * 512, pack 'V', 28);
	put(33 * 512, pack 'Q<VV', 1, 0, 3);
	$head[8] = 32;
	put(34 * 512, pack 'a4VVQ<Q<Q<Q<VQ<Q<Q<Ca4v', 'KDMV', @head);
}

sub footer {
	my ($type, $header) = @_;

	return pack 'a8NNQ>Na4NNQ>Q>NNNa16', 'conectix', 2, 0x10000, $header, 0,
	    'test', 0, 0, 256 * $K, 256 * $K, 0x00100411, $type, 0, 'uuid';
}

# Four blocks of 64 KiB, the first one there: 512 + 1024 + 512 bytes before.
sub vhd {
	$file = "\0" x (2048 + 512 + 64 * $K + 512);
	put(0, footer(3, 512));
	put(512, pack 'a8Q>Q>NNN', 'cxsparse', ~0, 1536, 0x10000, 4, 64 * $K);
	put(1536, pack 'N4', 4, (~0) x 3);
	put(2560, 'data' x (16 * $K));
}

sub fixed {
	$file = 'data' x (64 * $K) . "\0" x 512;
	put(256 * $K, footer(2, ~0));
}

# Three blocks, the first one there.
sub vdi {
	$file = "\0" x ($K + $M);
	put(0, "<<< test >>>\n");
	put(64, pack 'VVVVV', 0xbeda107f, 0x10001, 384, 1, 0);
	put(340, pack 'VVVVVVVQ<VVVV', 512, $K, 0, 0, 0, 512, 0, 3 * $M, $M, 0,
	    3, 1);
	put(512, pack 'V3', 0, (0xffffffff) x 2);
	put($K, 'data' x (16 * $K));
}

sub guid {
	my ($a, $b, $c, $d) = split /-/, $_[0];

	return pack 'VvvH*', hex $a, hex $b, hex $c, $d;
}

# Header, log, metadata, table, one of three blocks: 1 MiB each.
sub vhdx {
	my $at = 64 * $K;
	my $n = 0;

	$file = "\0" x (5 * $M);
	put(0, 'vhdxfile');
	put($_->[0] * $K, pack 'a4VQ<x48vvVQ<', 'head', 0, $_->[1], 0, 1, $M,
	    $M) for [64, 1], [128, 2];
	put(192 * $K, pack('a4VVV', 'regi', 0, 2, 0) .
	    guid('2dc27766-f623-4200-9d64115e9bfd4a08') .
	    pack('Q<VV', 3 * $M, $M, 1) .
	    guid('8b7ca206-4790-4b9a-b8fe575f050f886e') .
	    pack('Q<VV', 2 * $M, $M, 1));
	put(2 * $M, pack 'a8vv', 'metadata', 0, 5);
	for (['caa16737-fa36-4d43-b3b633f0aa44e76b', pack 'VV', $M, 0],
	    ['2fa54224-cd1b-4876-b2115dbed83bf4b8', pack 'Q<', 3 * $M],
	    ['8141bf1d-a96f-4709-ba47f233a8faab5f', pack 'V', 512],
	    ['cda348c7-445d-4471-9cc9e9885251c556', pack 'V', 512],
	    ['beca12ab-b2e6-4523-93efc309e000c746', 'page 83 data....']) {
		put(2 * $M + 32 + 32 * $n++, guid($_->[0]) .
		    pack 'VVV', $at, length $_->[1], 4);
		put(2 * $M + $at, $_->[1]);
		$at += length $_->[1];
	}
	put(3 * $M, pack 'Q<', 4 * $M | 6);
	put(4 * $M, 'data' x (16 * $K));
}

# --- checksums ----------------------------------------------------------------

my @crc_table = map {
	my $c = $_;
	$c = $c & 1 ? $c >> 1 ^ 0x82f63b78 : $c >> 1 for 1 .. 8;
	$c;
} 0 .. 255;
my %crc_known;

# The table of regions is mostly the same in all files.
sub crc32c {
	my ($data) = @_;

	return $crc_known{$data} //= do {
		my $c = 0xffffffff;
		$c = $crc_table[($c ^ $_) & 255] ^ $c >> 8
		    for unpack 'C*', $data;
		~$c & 0xffffffff;
	};
}

# Given the changes in the second table of regions.
sub sum_vhdx {
	put(256 * $K, substr $file, 192 * $K, 64 * $K);
	put(256 * $K + $_->[0], pack 'H*', $_->[1]) for @_;
	for ([64, 4], [128, 4], [192, 64], [256, 64]) {
		my ($at, $len) = ($_->[0] * $K, $_->[1] * $K);
		put($at + 4, "\0" x 4);
		put($at + 4, pack 'V', crc32c(substr $file, $at, $len));
	}
}

sub sum_bytes {
	my ($at, $len, $place) = @_;

	put($at + $place, "\0" x 4);
	put($at + $place, pack 'N', ~unpack('%32C*', substr $file, $at, $len)
	    & 0xffffffff);
}

sub sum_vhd {
	sum_bytes(0, 512, 64);
	sum_bytes(512, 1024, 36);
	put(length($file) - 512, substr $file, 0, 512);
}

sub sum_fixed { sum_bytes(256 * $K, 512, 64) }

my %formats = (	# maker, fields, byte order, checksums, where fields begin
	vmdk => [\&vmdk, \%vmdk, '<'], stream => [\&stream, \%stream, '<'],
	vhd => [\&vhd, \%vhd, '>', \&sum_vhd],
	fixed => [\&fixed, \%vhd, '>', \&sum_fixed, 256 * $K],
	vhdx => [\&vhdx, \%vhdx, '<', \&sum_vhdx], vdi => [\&vdi, \%vdi, '<'],
);

sub integer {
	my ($bytes, $order, $value) = @_;

	return pack { 1 => 'C', 2 => "S$order", 4 => "L$order",
	    8 => "Q$order" }->{$bytes}, number($value);
}

sub disk {
	my ($name, @args) = @_;
	my ($make, $fields, $order, $sum, $base) = @{ $formats{$name} //
	    die "unknown format: $name\n" };
	my (@late, @second);

	$make->();
	for (@args) {
		my ($key, $value) = /^([^=]+)=(.*)$/s or die "bad: $_\n";
		my ($at, $bytes) = @{ $fields->{$key} // [] };
		if (defined $at) {
			put(($base // 0) + $at, integer($bytes, $order, $value));
		} elsif ($key =~ /^s([1248]):(\w+)$/) {
			put(number($2), integer($1, $order, $value));
		} elsif ($key eq 'text') {
			my (undef, $from, $to) =
			    $value =~ /^s(.)(.*?)\1(.*)\1$/ or die "bad: $_\n";
			my $text = substr $file, 512, 10240;
			$to =~ s/%0a/\n/g;
			$text =~ s/\Q$from\E/$to/ or die "no such text: $_\n";
			put(512, substr $text, 0, 10240);
		} elsif ($key eq 'sum') {
			undef $sum;
		} elsif ($key eq 'second') {
			push @second, [split /:/, $value];
		} elsif ($key eq 'size' || $key eq 'at') {
			push @late, [$key, $value];
		} else {
			die "unknown key: $key\n";
		}
	}
	$sum->(@second) if $sum;
	for (@late) {	# these damage what was right
		my ($key, $value) = @$_;
		if ($key eq 'at') {
			my ($at, $hex) = split /:/, $value;
			put(number($at), pack 'H*', $hex);
			next;
		}
		my $grow = number($value) - length $file;
		$file .= "\0" x $grow if $grow > 0;
		substr($file, number($value)) = '' if $grow < 0;
	}
	return $file;
}

unless (caller) {
	binmode STDOUT;
	print disk(@ARGV) or die;
	close STDOUT or die "write: $!\n";
}
1;
