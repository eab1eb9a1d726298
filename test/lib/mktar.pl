#!/usr/bin/perl
# mktar.pl MEMBER... - a tar file on stdout, made by hand so that it can be
# wrong.  A member is NAME[,KEY=VALUE...], where %XX in NAME and VALUE is a byte:
#	data=TEXT  file=PATH  zeros=BYTES   what is in it (else nothing)
#	type=C      the header's type flag (default 0: a file)
#	link=NAME   where it leads
#	size=N      what the header says (default: what is in it)
#	count=N     so many of them, a number behind the name
#	pax=KEY:VALUE   a pax header before it; repeatable
#	sparse=OFFSET:LENGTH[+...]  an old GNU sparse map, real size in real=N
#	sum=N       a wrong checksum
#	prefix=DIR  ustar's prefix
# END alone ends the archive early; NOEND as the last leaves the end out.
use strict;
use warnings;

my $end = 1;
binmode STDOUT;

sub octal { sprintf '%0*o', $_[1] - 1, $_[0] }

sub block { my ($s) = @_; $s . "\0" x (-length($s) % 512) }

sub header {
	my ($name, $size, $type, %m) = @_;
	my $sparse = defined $m{sparse};
	my $h = pack 'a100 a8 a8 a8 a12 a12 a8 a1 a100 a8 a32 a32 a8 a8 a155 a12',
	    $name, octal(0644, 8), octal(0, 8), octal(0, 8), octal($size, 12),
	    octal(0, 12), ' ' x 8, $type, $m{link} // '',
	    $sparse ? "ustar  \0" : "ustar\0" . '00', '', '', octal(0, 8),
	    octal(0, 8), $m{prefix} // '', '';
	if ($sparse) {
		my $map = join '', map { my ($o, $l) = split /:/;
		    octal($o, 12) . "\0" . octal($l, 12) . "\0" }
		    split /\+/, $m{sparse};
		substr($h, 386, 96) = pack 'a96', $map;
		substr($h, 483, 12) = octal($m{real}, 12) . "\0";
	}
	my $sum = 0;
	$sum += $_ for unpack 'C*', $h;
	substr($h, 148, 8) = sprintf "%06o\0 ", $m{sum} // $sum;
	return $h;
}

sub pax {
	my $text = '';
	for (@_) {
		my ($key, $value) = /^([^:]*):(.*)$/s or die "pax=KEY:VALUE\n";
		my $rest = length(" $key=$value\n");
		my $len = $rest + length($rest);
		$len++ while $len != $rest + length($len);
		$text .= "$len $key=$value\n";
	}
	return header('pax', length($text), 'x') . block($text);
}

for (@ARGV) {
	if ($_ eq 'END') { print "\0" x 1024; next }
	if ($_ eq 'NOEND') { $end = 0; next }
	my ($name, @rest) = split /,/;
	my (%m, @pax);
	for (@rest) {
		my ($key, $value) = split /=/, $_, 2;
		$value =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
		if ($key eq 'pax') { push @pax, $value } else { $m{$key} = $value }
	}
	$name =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
	my $data = $m{data} // '';
	$data = "\0" x $m{zeros} if defined $m{zeros};
	if (defined $m{file}) {
		open my $in, '<:raw', $m{file} or die "$m{file}: $!\n";
		local $/;
		$data = <$in>;
	}
	for my $i (1 .. $m{count} // 1) {
		print pax(@pax) if @pax;
		print header(defined $m{count} ? $name . $i : $name,
		    $m{size} // length $data, $m{type} // '0', %m),
		    block($data);
	}
}
print "\0" x 1024 if $end;
