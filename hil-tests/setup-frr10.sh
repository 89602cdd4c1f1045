#!/bin/sh
# Unpacks FRR 10 beside whatever FRR is installed, as unpack-trixie.sh says.
#
#     sudo hil-tests/setup-frr10.sh [DIRECTORY]
set -eu
. "$(dirname "$0")/unpack-trixie.sh"

# The daemons drop to this user.
id frr >/dev/null 2>&1 || fail "the user frr is missing: run hil-tests/setup.sh first"
unpack FRR frr 'bfdd zebra vtysh' "${1:-/var/cache/paddock-hil/frr10}"
