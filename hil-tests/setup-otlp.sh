#!/bin/sh
# Puts OpenTelemetry's own messages, as Protocol Buffers' generator made them, into a folder of their own: they read what the
# collector pushes. Not in the lock of npm ci: nothing else needs them.
#
#     sudo hil-tests/setup-otlp.sh [DIRECTORY]
set -eu

PACKAGES='@opentelemetry/otlp-transformer@0.203.0 @opentelemetry/api@1.9.0 protobufjs@7.5.4'
directory=${1:-/var/cache/paddock-hil/otlp}

if [ "$(cat "$directory/packages" 2>/dev/null)" = "$PACKAGES" ]; then
  echo "All there: $PACKAGES in $directory"
  exit
fi
rm -rf "$directory"
mkdir -p "$directory"
# shellcheck disable=SC2086 # a list of names
(cd "$directory" && npm install --silent --no-audit --no-fund --ignore-scripts --prefix . $PACKAGES) || {
  echo "hil-tests/setup-otlp.sh: npm did not install $PACKAGES" >&2
  exit 1
}
echo "$PACKAGES" >"$directory/packages"
echo "Installed: $PACKAGES in $directory"
