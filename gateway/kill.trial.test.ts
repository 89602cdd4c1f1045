import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { seededRandom } from "@paddock/base/random.ts";
import { scaled } from "@paddock/base/testing/fuzz.ts";
import { until } from "@paddock/base/testing/until.ts";
import { CODE_CHANGED } from "@paddock/wire/coap-codes.ts";
import { LANES } from "@paddock/wire/lanes.ts";
import { CoapSender, senmlFrame } from "./testing/coap-sender.ts";
import { openStore, storedFrames } from "./testing/stored-frames.ts";

const KILLS = 1 + scaled(15);
const SENDERS = 16;

let directory: string;
let child: ChildProcess | undefined;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-kill-"));
});
afterEach(async () => {
  child?.kill("SIGKILL");
  await rm(directory, { recursive: true, force: true });
});

/** Starts the real program; resolves with its CoAP port when it takes frames. */
async function start(configFile: string): Promise<number> {
  const started = spawn(process.execPath, [join(import.meta.dirname, "main.ts"), "run", "--config", configFile], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  child = started;
  let log = "";
  for await (const chunk of started.stderr) {
    log += String(chunk);
    const ready = log.split("\n").find((line) => line.includes('"event":"ready"') && line.endsWith("}"));
    if (ready === undefined) continue;
    const { addresses } = JSON.parse(ready) as { addresses: { port: number }[] };
    return addresses[0]!.port;
  }
  throw new Error(`the gateway did not start: ${log}`);
}

test("kill -9 under load, again and again: every frame that was answered 2.04 is in the chain exactly once", async () => {
  const configFile = join(directory, "gateway.json");
  const dataDir = join(directory, "data");
  const config = {
    dataDir,
    listen: [{ address: "::1", port: 0 }],
    store: { minFreeBytes: 0, ballastBytes: 0 },
    discovery: { enabled: false },
  };
  await writeFile(configFile, JSON.stringify(config));
  const random = seededRandom(20_260_601);
  const answered = new Set<number>();
  let next = 0;

  for (let kill = 0; kill < KILLS; kill++) {
    const port = await start(configFile);
    const running = child!;
    const killed = once(running, "exit");
    const senders = await Promise.all(Array.from({ length: SENDERS }, () => CoapSender.open(port)));
    // The kill comes after some answers, so that every round has proven something, at a moment of chance.
    const killAfter = answered.size + 50 + random.below(400);
    await Promise.all(
      senders.map(async (sender, index) => {
        const path = ["i", LANES[index % LANES.length]!];
        while (running.exitCode === null && running.signalCode === null) {
          const value = next++;
          const code = await Promise.race([
            sender.post(path, senmlFrame(`sensor-${index}`, value)),
            killed.then(() => undefined),
          ]);
          if (code === CODE_CHANGED) answered.add(value);
          if (answered.size >= killAfter) running.kill("SIGKILL");
        }
      }),
    );
    for (const sender of senders) sender.close();
    await killed;
  }

  const { frames, broken, recovered } = await storedFrames(dataDir);
  expect({ broken, recovered }).toEqual({ broken: 0, recovered: 0 });
  const stored = frames.map(valueOf);
  const times = new Map<number, number>();
  for (const value of stored) times.set(value, (times.get(value) ?? 0) + 1);
  expect(answered.size).toBeGreaterThan(KILLS * 50);
  expect([...answered].filter((value) => times.get(value) !== 1)).toEqual([]);
  expect([...times].filter(([, count]) => count !== 1)).toEqual([]);
});

test("SIGTERM under load, after a SIGHUP that only reloads: what was taken is answered and durable, nothing else is, and the exit code is 0", async () => {
  const configFile = join(directory, "gateway.json");
  const dataDir = join(directory, "data");
  const listen = [{ address: "::1", port: 0 }];
  await writeFile(configFile, JSON.stringify({ dataDir, listen, discovery: { enabled: false } }));
  const sender = await CoapSender.open(await start(configFile));
  let changed = 0;
  const answers = Array.from({ length: 200 }, async (_, value) => {
    if ((await sender.post(["i"], senmlFrame("a", value))) === CODE_CHANGED) changed++;
  });
  await Promise.race(answers);
  const exit = once(child!, "exit");
  child!.kill("SIGHUP");
  child!.kill("SIGTERM");
  expect(await exit).toEqual([0, null]);
  const store = await openStore(dataDir);
  const stored = store.chains().reduce((sum, { records }) => sum + records, 0);
  await store.close();
  // What it sent before its end lies in our socket.
  await until(() => changed >= stored);
  await new Promise(setImmediate);
  sender.close();
  expect(stored).toBeGreaterThan(0);
  expect(changed).toBe(stored);
});

/** The value behind the name in what `senmlFrame` made. */
function valueOf(frame: Uint8Array): number {
  const bytes = Buffer.from(frame);
  const nameLength = bytes[3]! & 31;
  const at = 4 + nameLength + 1;
  const info = bytes[at]!;
  if (info < 24) return info;
  return bytes.readUIntBE(at + 1, 1 << (info - 24));
}
