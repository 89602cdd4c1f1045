#!/bin/sh
# Unpacks MySQL 9 beside whatever is installed, as unpack-trixie.sh says, but from sid: no release of Debian has it. Since sid
# changes every day, setup.sh does not run this. The tests of the SQL bridge run against it, too, when they are asked to:
#
#     sudo hil-tests/setup-mysql9.sh [DIRECTORY]
#     PADDOCK_HIL_MYSQL=1 npm run interop -- sql lamp.test
set -eu
SUITE=sid
. "$(dirname "$0")/unpack-trixie.sh"

unpack MySQL 'mysql-server-core mysql-client-core' 'mysqld mysql' "${1:-/var/cache/paddock-hil/mysql9}"
