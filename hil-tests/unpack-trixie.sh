# Sourced, not run. Unpacks programs of the Debian release after bookworm into a folder of their own, beside whatever is installed,
# and writes starters that run them with the loader and the libraries they came with. Nothing outside the folder changes, and no
# service is started. Where the packages come from is what this machine's own apt says. Who needs another suite sets SUITE before.
#
#     unpack NAME PACKAGES PROGRAMS DIRECTORY     the first program says by --version whether all is there
# shellcheck shell=sh

SUITE=${SUITE:-trixie}

fail() {
  echo "$0: $*" >&2
  exit 1
}

unpack() {
  name=$1 packages=$2 programs=$3 directory=$4
  first=$directory/bin/${programs%% *}
  if [ -x "$first" ] && "$first" --version >/dev/null 2>&1; then
    echo "All there: $("$first" --version | head -n 1) in $directory"
    return
  fi

  [ "$(id -u)" = 0 ] || fail "apt's own sandbox needs root, for example: sudo $0"
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

  echo "Fetching $name of $SUITE with what it needs"
  next_apt update
  # shellcheck disable=SC2086 # a list of names
  next_apt install --download-only $packages

  root=$directory/root
  rm -rf "$directory"
  mkdir -p "$root" "$directory/bin"
  for package in "$work"/cache/archives/*.deb; do dpkg-deb -x "$package" "$root"; done
  for unread in doc man locale; do rm -rf "$root/usr/share/$unread"; done

  loader=$(find "$root" -name 'ld-linux*.so.*' | head -n 1)
  [ -n "$loader" ] || fail "no loader among the packages"
  libraries=$(find "$root" -name 'lib*.so.*' -printf '%h\n' | sort -u | tr '\n' ':' | sed 's/:$//')
  for program in $programs; do
    binary=$(find "$root" -type f -name "$program" -perm -u+x | head -n 1)
    [ -n "$binary" ] || fail "$program is not among the packages"
    printf '#!/bin/sh\nexec %s --library-path %s %s "$@"\n' "$loader" "$libraries" "$binary" >"$directory/bin/$program"
    chmod 755 "$directory/bin/$program"
  done
  "$first" --version >/dev/null || fail "it does not run; see above"
  echo "Installed: $("$first" --version | head -n 1) in $directory"
}

next_apt() {
  apt-get -q -y \
    -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts="$work/parts" \
    -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts="$work/parts" \
    -o Dir::State="$work/state" -o Dir::State::Status="$work/status" -o Dir::Cache="$work/cache" \
    -o APT::Install-Recommends=false -o APT::Sandbox::User=root "$@" </dev/null >"$work/log" 2>&1 || {
    tail -n 20 "$work/log" >&2
    fail "apt-get $* failed; its last lines are above"
  }
}
