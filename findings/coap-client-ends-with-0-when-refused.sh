#!/bin/sh
# libcoap's coap-client ends with 0 when the server refused or never answered, and sends without a format it does not know.
#
# With:     libcoap 4.3.1 (Debian bookworm, libcoap3 and libcoap3-bin 4.3.1-1), Node 20 or later for the server. Seen 2026-11-28.
# What:     exit status 0 after 4.15, 4.29 and 5.03, and after silence until its time ran out (-B). With -t and a name that it
#           does not know, such as application/senml+cbor (registered in 2018, RFC 8428), it prints a warning and sends the body
#           without a Content-Format, so that the server refuses a correct body. The number 112 works.
# Surprise: a command-line client in a script or a cron job is expected to fail when the request failed, and to stop over an
#           argument that it does not understand.
# Paddock:  docs/sensors.md, "Send it", says to look for 2.04 and to write -t 112; hil-tests/interop/libcoap.test.ts ("it ends
#           with 0 also when it was refused, and knows no SenML name").
# Exit:     0 as recorded, 1 something changed, 2 could not be tried.
set -eu
work=$(mktemp -d)
server=
stop() { if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; server=; fi; }
trap 'stop; rm -rf "$work"' EXIT
trap 'exit 2' INT TERM
cd "$work"
for package in libcoap3=4.3.1-1 libcoap3-bin=4.3.1-1; do
  timeout 120 apt-get -q download "$package" >apt.log 2>&1 || { cat apt.log; exit 2; }
done
for package in *.deb; do dpkg -x "$package" root; done
libraries=$(dirname "$(find root -name 'libcoap-3-notls.so*' | head -n 1)")

cat >server.cjs <<'JS'
const server = require("node:dgram").createSocket("udp6");
const code = Number(process.argv[2]);
const { appendFileSync, writeFileSync } = require("node:fs");
server.on("message", (request, { address, port }) => {
  const token = request[0] & 15;
  appendFileSync("heard", `${request.subarray(4 + token).toString("hex")}\n`);
  if (code > 0) server.send(Buffer.concat([Buffer.from([0x60 | token, code]), request.subarray(2, 4 + token)]), port, address);
});
server.bind(0, "::1", () => writeFileSync("port", String(server.address().port)));
JS
# ask WHAT CODE ARGUMENT...: how the client ends, what it prints, what arrived behind the token and Uri-Port
ask() {
  what=$1
  rm -f port heard
  node server.cjs "$2" &
  server=$!
  shift 2
  for _ in $(seq 100); do [ -s port ] && break; sleep 0.1; done
  status=0
  printf '\201\242\000at\002\005' | LD_LIBRARY_PATH=$libraries timeout 20 root/usr/bin/coap-client-notls -B 2 "$@" -m post -f - "coap://[::1]:$(cat port)/i" \
    >printed 2>&1 || status=$?
  stop
  echo "$what: exit $status, printed \"$(sed 's/^[A-Z][a-z][a-z] [0-9 ]* [0-9:.]* //' printed | tr '\n' ' ' | sed 's/ *$//')\", sent $(sed 's/^72....//' heard | sort -u)"
}
{
  ask "2.04" 68 -t 112
  ask "4.15" 143 -t 112
  ask "4.29" 157 -t 112
  ask "5.03" 163 -t 112
  ask "silence" 0 -t 112
  ask "2.04, by name" 68 -t application/senml+cbor
} >seen

cat >recorded <<'TEXT'
2.04: exit 0, printed "", sent 41691170ff81a20061740205
4.15: exit 0, printed "4.15", sent 41691170ff81a20061740205
4.29: exit 0, printed "4.29", sent 41691170ff81a20061740205
5.03: exit 0, printed "5.03", sent 41691170ff81a20061740205
silence: exit 0, printed "", sent 41691170ff81a20061740205
2.04, by name: exit 0, printed "WARN W: unknown content-format 'application/senml+cbor'", sent 4169ff81a20061740205
TEXT
diff recorded seen || { echo "CHANGED: < recorded, > seen now"; exit 1; }
cat seen
echo "As recorded."
