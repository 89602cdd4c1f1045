#!/bin/sh
# Unpacks MariaDB of the Debian release after bookworm into a folder of its own, beside whatever MariaDB is installed, and
# writes starters for its server and its client that run them with the loader and the libraries they came with. Nothing
# outside the folder changes, and no service is started. Where the packages come from is what this machine's own apt says.
#
#     sudo hil-tests/setup-mariadb11.sh [DIRECTORY]
set -eu

SUITE=trixie
PROGRAMS='mariadbd mariadb my_print_defaults'
DIRECTORY=${1:-/var/cache/paddock-hil/mariadb11}

fail() {
  echo "hil-tests/setup-mariadb11.sh: $*" >&2
  exit 1
}

if [ -x "$DIRECTORY/bin/mariadbd" ] && "$DIRECTORY/bin/mariadbd" --version >/dev/null 2>&1; then
  echo "All there: $("$DIRECTORY/bin/mariadbd" --version | head -n 1)"
  exit 0
fi

[ "$(id -u)" = 0 ] || fail "apt's own sandbox needs root, for example: sudo hil-tests/setup-mariadb11.sh"
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || fail "apt-get and dpkg-deb are missing: this script knows Debian"

# The mirror that this machine takes its own release from has the next one, too.
# shellcheck disable=SC2016 # apt's own variables
mirror=$(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' | grep '^Debian|Debian|' | head -n 1)
[ -n "$mirror" ] || fail "apt knows no Debian release: run apt-get update first"
uri=${mirror##*|}
key=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e "$key" ] || fail "$key is missing: install debian-archive-keyring"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
chmod 755 "$work"
mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/parts"
: >"$work/status"
echo "deb [signed-by=$key] $uri $SUITE main" >"$work/sources.list"

apt() {
  apt-get -q -y \
    -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts="$work/parts" \
    -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts="$work/parts" \
    -o Dir::State="$work/state" -o Dir::State::Status="$work/status" -o Dir::Cache="$work/cache" \
    -o APT::Install-Recommends=false -o APT::Sandbox::User=root "$@" </dev/null >"$work/log" 2>&1 || {
    tail -n 20 "$work/log" >&2
    fail "apt-get $* failed; its last lines are above"
  }
}

echo "Fetching MariaDB of $SUITE with what it needs"
apt update
apt install --download-only mariadb-server-core mariadb-client-core

rm -rf "$DIRECTORY"
mkdir -p "$DIRECTORY/root" "$DIRECTORY/bin"
for package in "$work"/cache/archives/*.deb; do dpkg-deb -x "$package" "$DIRECTORY/root"; done
rm -rf "$DIRECTORY/root/usr/share/doc" "$DIRECTORY/root/usr/share/man" "$DIRECTORY/root/usr/share/locale"

loader=$(find "$DIRECTORY/root" -name 'ld-linux*.so.*' | head -n 1)
[ -n "$loader" ] || fail "no loader among the packages"
libraries=$(find "$DIRECTORY/root" -name 'lib*.so.*' -printf '%h\n' | sort -u | tr '\n' ':' | sed 's/:$//')
for program in $PROGRAMS; do
  binary=$(find "$DIRECTORY/root" -type f -name "$program" -perm -u+x | head -n 1)
  [ -n "$binary" ] || fail "$program is not among the packages"
  printf '#!/bin/sh\nexec %s --library-path %s %s "$@"\n' "$loader" "$libraries" "$binary" >"$DIRECTORY/bin/$program"
  chmod 755 "$DIRECTORY/bin/$program"
done
"$DIRECTORY/bin/mariadbd" --version >/dev/null || fail "it does not run; see above"
echo "Installed: $("$DIRECTORY/bin/mariadbd" --version | head -n 1)"
