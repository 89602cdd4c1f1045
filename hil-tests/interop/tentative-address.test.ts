import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT_PATH } from "../docs/units.ts";

/** Programs that start while the kernel still asks whether somebody else has their address (RFC 4862 §5.4). */

const ADDRESS = "fd00:9::1";
let directory = "";
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-tentative-"));
});
afterAll(() => rm(directory, { recursive: true }));

const CONFIGS = {
  gateway: {
    listen: [{ address: ADDRESS, port: 5683 }],
    metrics: { listen: { address: ADDRESS, port: 9464 } },
    store: { minFreeBytes: 0, ballastBytes: 0 },
    discovery: { enabled: false },
  },
  collector: {
    listen: [{ address: ADDRESS, port: 8443 }],
    bfd: { seamless: { listen: [{ address: ADDRESS }], discriminator: 7 } },
  },
} as const;

/**
 * Starts the program in a namespace whose address stays tentative until the program has met it, and ends it once it is ready.
 * The detection asks twice, a second apart.
 */
async function eventsOf(program: keyof typeof CONFIGS): Promise<string[]> {
  const config = join(directory, `${program}.json`);
  const log = join(directory, `${program}.log`);
  await writeFile(config, JSON.stringify({ dataDir: join(directory, program), ...CONFIGS[program] }), { mode: 0o600 });
  const script = `
    ip link set lo up
    ip link add here type veth peer name there
    ip link set there up
    echo 2 >/proc/sys/net/ipv6/conf/here/dad_transmits
    ip link set here up
    "$1" ${program} run --config "$2" >"$3" 2>&1 & program=$!
    # The address comes, tentative, when the program has met that it is missing: no race whichever is slow.
    until grep -q -e address-not-here-yet -e LISTEN_FAILED -e '"ready"' "$3"; do sleep 0.05; done
    ip address add ${ADDRESS}/64 dev here
    until grep -q -e LISTEN_FAILED -e '"ready"' "$3"; do sleep 0.05; done
    kill $program
    wait $program
    cat "$3"`;
  const output = await new Promise<string>((resolve, reject) => {
    const user = process.getuid?.() === 0 ? [] : ["-r"];
    const args = [...user, "-n", "sh", "-c", script, "sh", join(ROOT_PATH, "paddock"), config, log];
    execFile("unshare", args, { timeout: 50_000 }, (error, stdout, stderr) => {
      if (stdout === "") reject(error ?? new Error(stderr));
      else resolve(stdout);
    });
  });
  const lines = output.split("\n").filter((line) => line.startsWith("{"));
  return lines.map((line) => (JSON.parse(line) as { event: string }).event);
}

test("a gateway waits for its address, and takes frames and questions there", async () => {
  const events = await eventsOf("gateway");
  expect(events.filter((event) => ["address-not-here-yet", "ready", "failed"].includes(event))).toEqual([
    "address-not-here-yet",
    "ready",
  ]);
});

test("a collector waits for its address, and listens and answers there", async () => {
  const events = await eventsOf("collector");
  expect(events.filter((event) => ["address-not-here-yet", "ready", "failed"].includes(event))).toEqual([
    "address-not-here-yet",
    "ready",
  ]);
});
