#!/bin/sh
# Makes what the gateway runs with from the CONFIG partition. Starting Node for that takes longer than any other step of a
# start, so what the last start made is taken again while nothing is new: not the release, not a file of CONFIG, and not
# what was kept, which is hashed before it is believed. What is wrong on CONFIG is looked at, and told, each time.
STATE=/var/lib/paddock
KEPT=/var/lib/paddock-provision
NETWORK=/run/systemd/network

fingerprint() {
  {
    cat /usr/lib/os-release
    find /config $STATE/provision $KEPT/run $KEPT/network -type f -exec sha256sum {} + 2>/dev/null | sort
    [ ! -e $STATE/identity.pem ] || echo identity
  } | sha256sum
}

mkdir -p -m 0700 $STATE /run/paddock
chown paddock:paddock $STATE /run/paddock
mkdir -p $NETWORK /var/lib/paddock-update
if [ -e $KEPT/fingerprint ] && [ "$(cat $KEPT/fingerprint)" = "$(fingerprint)" ]; then
  cp -a $KEPT/run/. /run/paddock/
  cp -a $KEPT/network/. $NETWORK/
  echo "CONFIG: nothing is new."
else
  rm -rf $KEPT
  /usr/bin/node /opt/paddock/paddock-gateway.mjs provision || exit 1
  if [ ! -e /config/config-errors.txt ]; then
    mkdir -m 0700 $KEPT
    cp -a /run/paddock $KEPT/run
    cp -a $NETWORK $KEPT/network
    fingerprint >$KEPT/fingerprint
  fi
fi
[ ! -e /run/paddock/hostname ] || hostname -F /run/paddock/hostname
