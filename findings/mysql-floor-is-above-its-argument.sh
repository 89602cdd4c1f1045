#!/bin/sh
# FLOOR(microseconds / 1000000) is the next second in MySQL where 50 us or less are missing to it; in MariaDB it is not.
#
# With:     MySQL 9.7.4 (Debian sid, unpacked by hil-tests/setup-mysql9.sh), MariaDB 10.11.19 (Debian bookworm). Seen 2026-11-28.
# What:     a quotient of whole numbers has four digits (div_precision_increment). Both servers show 1743301800999999 / 1000000 as
#           1743301801.0000, and find it not below 1743301801. MySQL's FLOOR of it is 1743301801, of literals and of columns alike;
#           MariaDB's FLOOR is 1743301800.
# Surprise: FLOOR answers a number above the quotient, and one view over the same rows has other seconds in each of two servers
#           that are taken for one: who tests with MariaDB sees the right ones. (x - x MOD n) DIV n is the same in both.
# Paddock:  collector/sinks/sql/views.ts cuts before it divides; hil-tests/interop/sql.test.ts ("times to the microsecond, before 1970
#           and in both turns of the autumn's repeated hour"), docs/decisions/0061-sql-bridge.md.
# Exit:     0 as recorded, 1 something changed, 2 could not be tried.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
server=
stop() { if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; server=; fi; }
trap 'stop; rm -rf "$work"' EXIT
trap 'exit 2' INT TERM
chmod 755 "$work"
cd "$work"
mysql=${PADDOCK_MYSQL9:-$work/mysql9}
timeout 300 "$here/../hil-tests/setup-mysql9.sh" "$mysql" >mysql.log 2>&1 || { cat mysql.log; exit 2; }
for package in mariadb-server-core mariadb-client-core; do
  timeout 120 apt-get -q download "$package=1:10.11.19-0+deb12u1" >apt.log 2>&1 || { cat apt.log; exit 2; }
done
for package in *.deb; do dpkg -x "$package" mariadb; done

cat >ask.sql <<'SQL'
CREATE DATABASE d;
CREATE TABLE d.t (us BIGINT);
INSERT INTO d.t VALUES (1743301800999949), (1743301800999950), (1743301800999999);
SELECT us, us / 1000000, FLOOR(us / 1000000), us / 1000000 < 1743301801, (us - us MOD 1000000) DIV 1000000 FROM d.t;
SELECT FLOOR(1743301800999999 / 1000000);
SQL
user=
[ "$(id -u)" != 0 ] || user=--user=root
# run NAME CLIENT SERVER ARGUMENT...: what a server of its own answers
run() {
  echo "$1"
  client=$2
  shift 2
  "$@" $user --socket="$PWD/s" --skip-networking --pid-file="$PWD/pid" >server.log 2>&1 &
  server=$!
  for _ in $(seq 300); do "$client" --no-defaults --socket=s --user=root -e 'SELECT 1' >client.log 2>&1 && break; sleep 0.2; done
  "$client" --no-defaults --socket=s --user=root --batch --skip-column-names <ask.sql 2>&1
  stop
}
"$mysql/bin/mysqld" --no-defaults $user --datadir="$PWD/my" --lc-messages-dir="$mysql/root/usr/share/mysql" --initialize-insecure >server.log 2>&1 || { cat server.log; exit 2; }
mkdir ma
{
  run MySQL "$mysql/bin/mysql" "$mysql/bin/mysqld" --no-defaults --datadir="$PWD/my" --lc-messages-dir="$mysql/root/usr/share/mysql" --mysqlx=OFF --secure-file-priv=NULL
  run MariaDB mariadb/usr/bin/mariadb mariadb/usr/sbin/mariadbd --no-defaults --skip-grant-tables --datadir="$PWD/ma" --lc-messages-dir="$PWD/mariadb/usr/share/mysql"
} >seen

tr '|' '\t' >recorded <<'TEXT'
MySQL
1743301800999949|1743301800.9999|1743301800|1|1743301800
1743301800999950|1743301801.0000|1743301801|0|1743301800
1743301800999999|1743301801.0000|1743301801|0|1743301800
1743301801
MariaDB
1743301800999949|1743301800.9999|1743301800|1|1743301800
1743301800999950|1743301801.0000|1743301800|0|1743301800
1743301800999999|1743301801.0000|1743301800|0|1743301800
1743301800
TEXT
diff recorded seen || { echo "CHANGED: < recorded, > seen now"; exit 1; }
cat seen
echo "As recorded."
