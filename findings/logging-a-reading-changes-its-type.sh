#!/bin/sh
# Perl's CBOR::XS: a log line in between turns an integer reading into a byte string on the wire, a computed one not.
#
# With:     CBOR::XS 1.86 (Debian bookworm, libcbor-xs-perl 1.86-1+b2), Perl 5.36. Seen 2026-11-28.
# What:     an integer that was put into a string, or compared with eq, is encoded as the byte string
#           "21" from then on, also inside a SenML record made by as_map. A float, or a result of a division that happens to
#           be 21, stays a number after the same log line. A register that was read (unpack) changes, a scaled one does not.
# Surprise: the module's manual says that the last use as a string decides. Who tests with 21.5, where it does not, sees no
#           such thing; and the encoder, the record and the reading are the same with the log line and without.
# Paddock:  refuses a byte string as a value with 4.00 that names the field; docs/sensors.md, "What goes wrong".
# Exit:     0 as recorded, 1 something changed, 2 could not be tried.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 2' INT TERM
cd "$work"
for package in libcbor-xs-perl=1.86-1+b2 libtypes-serialiser-perl=1.01-1 libcommon-sense-perl=3.75-3; do
  timeout 120 apt-get -q download "$package" >apt.log 2>&1 || { cat apt.log; exit 2; }
done
for package in *.deb; do dpkg -x "$package" root; done
native=$(dirname "$(dirname "$(find root -path '*/CBOR/XS.pm')")")

cat >probe.pl <<'PERL'
use strict;
use warnings;
use CBOR::XS;

my $cbor = CBOR::XS->new;
sub wire { unpack "H*", $cbor->encode([CBOR::XS::as_map([0 => "t", 2 => $_[0]])]) }

my $register = unpack "n", pack "n", 21;
my $compared = 21;
my %readings = ("an integer" => 21, "a float" => 21.5, "210 / 10" => 210 / 10);
for my $name (sort keys %readings) {
  my $before = wire($readings{$name});
  my $line = "temperature $readings{$name}";
  print "$name: $before, after the log line ", wire($readings{$name}), "\n";
}
my $before = wire($register);
my $line = "register $register";
print "a register: $before, after the log line ", wire($register), "\n";
my $stale = $compared eq "n/a";
print "compared with eq: ", wire($compared), "\n";
print "the same plus 0: ", wire($compared + 0), "\n";
PERL
timeout 20 perl "-I$native" -Iroot/usr/share/perl5 probe.pl >seen 2>&1 || echo "exit $?" >>seen

cat >recorded <<'TEXT'
210 / 10: 81a20041740215, after the log line 81a20041740215
a float: 81a200417402fa41ac0000, after the log line 81a200417402fa41ac0000
an integer: 81a20041740215, after the log line 81a200417402423231
a register: 81a20041740215, after the log line 81a200417402423231
compared with eq: 81a200417402423231
the same plus 0: 81a20041740215
TEXT
diff recorded seen || { echo "CHANGED: < recorded, > seen now"; exit 1; }
cat seen
echo "As recorded."
