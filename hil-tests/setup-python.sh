#!/bin/sh
# Puts the Python packages that read what Paddock writes into a folder of their own: Arrow for the lake's files, and
# OpenTelemetry's own messages for what is pushed. Where they come from is what this machine's own pip says.
#
#     hil-tests/setup-python.sh [DIRECTORY]
set -eu

PACKAGES='pyarrow==25.0.1 opentelemetry-proto==1.45.0'
directory=${1:-/var/cache/paddock-hil/python}

fail() {
  echo "hil-tests/setup-python.sh: $*" >&2
  exit 1
}

if [ -x "$directory/bin/python" ] && [ "$(cat "$directory/packages" 2>/dev/null)" = "$PACKAGES" ]; then
  echo "All there: $PACKAGES in $directory"
  exit
fi
rm -rf "$directory"
python3 -m venv "$directory" || fail "python3 makes no venv: install python3-venv"
# shellcheck disable=SC2086 # a list of names
"$directory/bin/python" -m pip install --quiet --retries 1 --only-binary :all: $PACKAGES || fail "pip has no $PACKAGES for this python3"
echo "$PACKAGES" >"$directory/packages"
echo "Installed: $PACKAGES in $directory"
