import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BUILDER } from "../image/architectures.ts";
import { run } from "../image/run.ts";

/** Waits at most a minute for the gateway to be ready: a machine that builds images may be busy. */
const SCRIPT = `ip link set lo up
log=$1
shift
"$@" >"$log" 2>&1 &
tries=0
until grep -q '"ready"' "$log"; do
  tries=$((tries + 1))
  if [ $tries -ge 600 ] || ! kill -0 $!; then cat "$log" >&2; exit 1; fi
  sleep 0.1
done
ss -H -l -n -t -u
kill $!
wait $! || true
`;

/**
 * What the gateway of an image listens to with the default configuration, started from its files in a network of its own.
 * `root` is the folder with the root file system. Rejects when it does not get ready.
 */
export async function openPorts(root: string, scratch: string): Promise<string[]> {
  const config = join(scratch, "gateway.json");
  await writeFile(config, JSON.stringify({ dataDir: join(scratch, "data") }));
  const answer = await run("unshare", [
    "--net",
    ...(process.getuid?.() === 0 ? [] : ["--map-root-user"]),
    "sh",
    "-c",
    SCRIPT,
    "sh",
    join(scratch, "gateway.log"),
    join(root, BUILDER.loader),
    "--library-path",
    join(root, BUILDER.libraries),
    join(root, "usr/bin/node"),
    join(root, "opt/paddock/paddock-gateway.mjs"),
    "run",
    "--config",
    config,
  ]);
  return portsOf(answer);
}

/** Ports in what `ss -H -l -n -t -u` says, as "udp 5683", each once and sorted. */
export function portsOf(answer: string): string[] {
  const ports = answer.split("\n").flatMap((line) => {
    const [, protocol, port] = /^(udp|tcp)\s+\S+\s+\d+\s+\d+\s+\S*:(\d+)\s/u.exec(line) ?? [];
    return protocol === undefined ? [] : [`${protocol} ${port}`];
  });
  return [...new Set(ports)].toSorted();
}
