#!/bin/sh
# Two CBOR encoders drop the fraction of a reading or of its time, without an error.
#
# With:     @dfinity/cbor 0.2.3 (npm), Node 20 or later; ruby-cbor 0.5.9.6 (Debian bookworm, ruby-cbor 0.5.9.6-2+b4) with
#           ruby3.1 3.1.2-7+deb12u1. Linux. Seen 2026-11-28.
# What:     @dfinity/cbor writes 21.5 as the integer 21, 0.5 as 0 and -0.5 as -1. It refuses NaN, and on reading it refuses every
#           float. Its list "Not implemented" does not name floats. ruby-cbor writes a Time as tag 1 with whole seconds; a
#           float of its own reads back with its fraction, so that only what goes out is coarser.
# Surprise: an encoder that does not know floats is expected to throw, as it does for NaN. What comes out is a valid and
#           plausible reading, and a test with a whole number passes. CBOR allows a float in tag 1 (RFC 8949 §3.4.2).
# Paddock:  nobody behind the encoder can tell 21 from 21.5: docs/sensors.md, "What goes wrong". It refuses tag 1 in t.
# Exit:     0 as recorded, 1 something changed, 2 could not be tried.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 2' INT TERM
cd "$work"
timeout 300 npm install --silent --no-audit --no-fund --ignore-scripts --prefix . @dfinity/cbor@0.2.3 >npm.log 2>&1 || { cat npm.log; exit 2; }
for package in ruby3.1=3.1.2-7+deb12u1 libruby3.1=3.1.2-7+deb12u1 ruby-cbor=0.5.9.6-2+b4; do
  timeout 120 apt-get -q download "$package" >apt.log 2>&1 || { cat apt.log; exit 2; }
done
for package in *.deb; do dpkg -x "$package" root; done

cat >probe.mjs <<'JS'
import { decode, encode } from "@dfinity/cbor";

const attempt = (work) => {
  try {
    return work();
  } catch (error) {
    return `refused (${error.message})`;
  }
};
for (const value of [21, 21.5, 0.5, -0.5, NaN]) {
  console.log(`@dfinity/cbor, ${value}:`, attempt(() => decode(encode(value))));
}
console.log("@dfinity/cbor, reading 21.5:", attempt(() => decode(Uint8Array.from([0xf9, 0x4d, 0x60]))));
JS
cat >probe.rb <<'RUBY'
require "cbor"
time = Time.at(1700000000, 250, :millisecond)
puts "ruby-cbor, #{time.to_r.to_f}: #{time.to_cbor.unpack1("H*")}, read back #{CBOR.decode(time.to_cbor).to_r.to_f}"
other = ["c1fb41d954fc40100000"].pack("H*")
puts "ruby-cbor, reading tag 1 with a float: #{CBOR.decode(other).to_r.to_f}"
RUBY
timeout 30 node probe.mjs >seen 2>&1 || echo "exit $?" >>seen
libraries=$(dirname "$(find root -name 'libruby-3.1.so.3.1')")
extension=$(dirname "$(find root -path '*rubygems-integration*' -name cbor.so)")
LD_LIBRARY_PATH=$libraries timeout 30 root/usr/bin/ruby3.1 --disable-gems -Iroot/usr/lib/ruby/3.1.0 -I"$libraries/ruby/3.1.0" \
  -Iroot/usr/lib/ruby/vendor_ruby -I"$extension" -I"$(dirname "$extension")" -I"$(dirname "$(find root -name cbor.rb)")" \
  probe.rb >>seen 2>&1 || echo "exit $?" >>seen

cat >recorded <<'TEXT'
@dfinity/cbor, 21: 21
@dfinity/cbor, 21.5: 21
@dfinity/cbor, 0.5: 0
@dfinity/cbor, -0.5: -1
@dfinity/cbor, NaN: refused (Value too large to encode: NaN)
@dfinity/cbor, reading 21.5: refused (Unrecognized simple type: 11001)
ruby-cbor, 1700000000.25: c11a6553f100, read back 1700000000.0
ruby-cbor, reading tag 1 with a float: 1700000000.25
TEXT
diff recorded seen || { echo "CHANGED: < recorded, > seen now"; exit 1; }
cat seen
echo "As recorded."
