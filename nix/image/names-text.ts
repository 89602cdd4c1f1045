/** What names are asked of, in the form of libc; below /run, as every network has its own. */
export const RESOLV_CONF = "run/resolv.conf";

/** What systemd-networkd knows of all links. */
const STATE = "/run/systemd/netif/state";

/** The first three are all that libc's resolver looks at. */
const SCRIPT = `# names.sh STATE RESOLV_CONF
[ -e "$1" ] || exit 0
servers=$(sed -n 's/^DNS=//p' "$1")
count=0
lines=
for server in $servers; do
  count=$((count + 1))
  [ $count -gt 3 ] || lines="\${lines}nameserver $server
"
done
[ "$(printf %s "$lines")" != "$(cat "$2" 2>/dev/null)" ] || exit 0
printf %s "$lines" >"$2.new"
mv "$2.new" "$2"
echo "names are asked of: \${servers:-nobody}"
`;

/**
 * Names and time. systemd-networkd takes the name servers that routers advertise (RFC 8106) and keeps them in its state;
 * systemd-resolved would be one more daemon and its libraries for what a few lines of shell do.
 */
export const NAMES_TEXT: Readonly<Record<string, string>> = {
  "usr/lib/paddock/names.sh": SCRIPT,
  "etc/systemd/system/paddock-names.path": `[Unit]
Description=Paddock: follows the name servers that the networks offer
[Path]
PathChanged=${STATE}
`,
  "etc/systemd/system/paddock-names.service": `[Unit]
Description=Paddock: asks the name servers that the networks offer
After=systemd-networkd.service paddock-names.path
# It ends each time, and networks come and go: a limit of starts would leave it with old servers.
StartLimitIntervalSec=0
[Service]
Type=oneshot
ExecStart=/bin/sh /usr/lib/paddock/names.sh ${STATE} /${RESOLV_CONF}
StandardOutput=journal+console
`,
  "etc/systemd/system/multi-user.target.d/names.conf": `[Unit]
Wants=paddock-names.path paddock-names.service systemd-timesyncd.service
`,
};
