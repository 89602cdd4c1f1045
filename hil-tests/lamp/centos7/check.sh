#!/bin/sh
# Checks what of this folder can be checked without a network, by podman and buildah themselves: the Containerfile is built on a
# stand-in for CentOS 7 (its files as they are where the Containerfile changes them, BusyBox, a yum that only says what it
# was told), and the pod is made of stand-ins, not started, and looked at. As root; needs podman, buildah, catatonit, busybox-static.
#
#     sudo hil-tests/lamp/centos7/check.sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
store="--root $work/root --runroot $work/run --storage-driver vfs"
pod() { podman $store --tmpdir "$work/tmp" --cgroup-manager cgroupfs --events-backend file "$@"; }
leave() {
  pod pod rm -f barn >"$work/log" 2>&1 || true
  rm -rf "$work"
}
trap leave EXIT
trap 'exit 1' INT TERM
fail() {
  echo "check.sh: $*" >&2
  exit 1
}
holds() { grep -qxF -- "$2" "$1" || fail "no line \"$2\" in:
$(cat "$1")"; }

# A stand-in for CentOS 7.
base=$work/base
mkdir -p "$base/bin" "$base/etc/yum.repos.d" "$base/etc/httpd/conf" "$base/etc/httpd/conf.d" "$base/etc/php.d" "$base/tmp"
cp /bin/busybox "$base/bin/"
for name in sh sed printf test cat; do ln -s busybox "$base/bin/$name"; done
printf '#!/bin/sh\necho "$@" >>/yum.log\n' >"$base/bin/yum"
chmod 755 "$base/bin/yum"
echo 'apache:x:48:48::/:/bin/sh' >"$base/etc/passwd"
cat >"$base/etc/yum.repos.d/CentOS-Base.repo" <<'REPO'
[base]
mirrorlist=http://mirrors.invalid/?release=$releasever&arch=$basearch
#baseurl=http://mirror.invalid/centos/$releasever/os/$basearch/
REPO
cat >"$base/etc/httpd/conf/httpd.conf" <<'CONF'
Listen 80
ErrorLog "logs/error_log"
    CustomLog "logs/access_log" combined
CONF
tar -C "$base" -c . | pod import - localhost/centos:7 >"$work/log" 2>&1 || fail "$(cat "$work/log")"

buildah $store build --isolation chroot --pull-never --build-arg VAULT=http://vault.invalid/7 -t localhost/barn-page:1 "$here" >"$work/log" 2>&1 ||
  fail "the Containerfile does not build: $(cat "$work/log")"
built=$(buildah $store from --pull-never localhost/barn-page:1)
root=$(buildah $store mount "$built")
holds "$root/etc/yum.repos.d/CentOS-Base.repo" 'baseurl=http://vault.invalid/7/os/$basearch/'
holds "$root/etc/yum.repos.d/CentOS-Base.repo" '#mirrorlist=http://mirrors.invalid/?release=$releasever&arch=$basearch'
holds "$root/etc/httpd/conf/httpd.conf" 'Listen 8081'
holds "$root/etc/httpd/conf/httpd.conf" 'ErrorLog "|/usr/bin/cat"'
holds "$root/etc/httpd/conf/httpd.conf" '    CustomLog "|/usr/bin/cat" combined'
holds "$root/etc/php.d/zz-paddock.ini" 'mysqli.default_socket = /run/mysqld/mysqld.sock'
buildah $store rm "$built" >"$work/log"

# The pod: what is named in it, under a folder of this test's own.
srv=$work/srv
mkdir -p "$srv/barn/database" "$srv/barn/mysqld" "$srv/barn/pages" "$srv/paddock"
: >"$srv/barn/grants.sql"
: >"$srv/barn/bridge.json"
sed -e "s|/srv/barn|$srv/barn|" -e "s|path: /opt/paddock|path: $srv/paddock|" "$here/barn.yaml" >"$work/barn.yaml"
for image in mariadb:10.11 node:24-slim; do
  tar -C "$base" -c . | pod import --change 'ENTRYPOINT ["/bin/sh"]' - "localhost/$image" >"$work/log" 2>&1
done
sed -i -e 's|image: \(mariadb\|node\)|image: localhost/\1|' "$work/barn.yaml"
pod kube play --start=false "$work/barn.yaml" >"$work/log" 2>&1 || fail "podman does not take the pod: $(cat "$work/log")"

looked() { pod inspect --format "$2" "barn-$1" >"$work/seen"; }
looked mariadb '{{range .Args}}{{println .}}{{end}}{{range .Mounts}}{{println .Source .Destination .RW}}{{end}}{{.HostConfig.NetworkMode}}'
for argument in --skip-networking --character-set-server=utf8mb4 --collation-server=utf8mb4_general_ci --default-time-zone=+00:00; do
  holds "$work/seen" "$argument"
done
holds "$work/seen" "$srv/barn/database /var/lib/mysql true"
holds "$work/seen" "$srv/barn/mysqld /run/mysqld true"
holds "$work/seen" "$srv/barn/grants.sql /docker-entrypoint-initdb.d/grants.sql false"
looked page '{{range .Mounts}}{{println .Source .Destination .RW}}{{end}}{{println .Config.User}}{{range .Config.Cmd}}{{println .}}{{end}}'
holds "$work/seen" "$srv/barn/mysqld /run/mysqld true"
holds "$work/seen" "$srv/barn/pages /var/www/html false"
holds "$work/seen" apache
holds "$work/seen" httpd
looked bridge '{{range .Mounts}}{{println .Source .Destination .RW}}{{end}}{{println .Path .Args}}{{println .Config.User .HostConfig.ReadonlyRootfs}}'
holds "$work/seen" "$srv/paddock /opt/paddock false"
holds "$work/seen" "$srv/barn/bridge.json /etc/paddock/bridge.json false"
holds "$work/seen" 'node [/opt/paddock/gateway/bridge/main.ts http --config /etc/paddock/bridge.json]'
holds "$work/seen" '65534 true'
pod pod inspect --format '{{.CreateInfra}} {{.NumContainers}} {{.InfraConfig.HostNetwork}}' barn >"$work/seen"
holds "$work/seen" 'true 4 true'
echo "The Containerfile builds on a stand-in, and podman makes of barn.yaml what it says."
