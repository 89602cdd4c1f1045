#!/bin/sh
# Unpacks MariaDB 11.8 beside whatever MariaDB is installed, as unpack-trixie.sh says.
#
#     sudo hil-tests/setup-mariadb11.sh [DIRECTORY]
set -eu
. "$(dirname "$0")/unpack-trixie.sh"

unpack MariaDB 'mariadb-server-core mariadb-client-core' 'mariadbd mariadb my_print_defaults' "${1:-/var/cache/paddock-hil/mariadb11}"
