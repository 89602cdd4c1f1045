#!/bin/sh
# libcbor's half floats: large values come out as small ones, small values lose all but one bit.
#
# With:     libcbor 0.8.0 (Debian bookworm, libcbor0.8 0.8.0-2+b1), a C compiler. Seen 2026-11-28.
# What:     cbor_build_float2() takes any float. From 65,536 on the exponent wraps round or goes into the sign: 101325 (the air
#           pressure in Pa) is written as NaN, 1000000 as -0.000232816, 1e20 as 5.41797, and only 65536 itself as infinity. Below
#           0.00006 (subnormals) one bit of the mantissa is left: 0.00001 is written as 0.00000763. cbor_float_get_float() of
#           the item goes on to show the value that was put in, so that looking at it before it is sent shows nothing.
# Surprise: a conversion that does not fit is expected to become infinity, or to be refused; IEEE 754 leaves no other choice.
# Paddock:  NaN and infinity are refused with 4.00. The other wrong values are valid CBOR: nobody behind the encoder can tell.
#           docs/sensors.md, "What goes wrong", says which function to use instead.
# Exit:     0 as recorded, 1 something changed, 2 could not be tried.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 2' INT TERM
cd "$work"
for package in libcbor0.8=0.8.0-2+b1 libcbor-dev=0.8.0-2+b1; do
  timeout 120 apt-get -q download "$package" >apt.log 2>&1 || { cat apt.log; exit 2; }
done
for package in *.deb; do dpkg -x "$package" root; done
library=$(find root -name libcbor.so.0.8.0)

cat >probe.c <<'C'
#include <cbor.h>
#include <stdio.h>

int main(void) {
  const float values[] = {21.5f, 1013.25f, 65504, 65536, 101325, 1000000, 1e20f, 2e-5f, 1e-5f};
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    unsigned char wire[9];
    struct cbor_load_result result;
    cbor_item_t *item = cbor_build_float2(values[i]);
    size_t length = cbor_serialize(item, wire, sizeof wire);
    cbor_item_t *back = cbor_load(wire, length, &result);
    printf("%g: the item says %g, written %02x%02x%02x, read back %g\n", values[i], cbor_float_get_float(item), wire[0],
           wire[1], wire[2], cbor_float_get_float(back));
    cbor_decref(&item);
    cbor_decref(&back);
  }
  return 0;
}
C
cc -Iroot/usr/include probe.c -o probe "$library" -lm || exit 2
LD_LIBRARY_PATH=$(dirname "$library") timeout 20 ./probe >seen 2>&1 || echo "exit $?" >>seen

cat >recorded <<'TEXT'
21.5: the item says 21.5, written f94d60, read back 21.5
1013.25: the item says 1013.25, written f963ea, read back 1013
65504: the item says 65504, written f97bff, read back 65504
65536: the item says 65536, written f97c00, read back inf
101325: the item says 101325, written f97e2f, read back nan
1e+06: the item says 1e+06, written f98ba1, read back -0.000232816
1e+20: the item says 1e+20, written f9456b, read back 5.41797
2e-05: the item says 2e-05, written f90100, read back 1.52588e-05
1e-05: the item says 1e-05, written f90080, read back 7.62939e-06
TEXT
diff recorded seen || { echo "CHANGED: < recorded, > seen now"; exit 1; }
cat seen
echo "As recorded."
