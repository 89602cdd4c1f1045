import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { BfdReflector } from "@paddock/uplink/bfd/reflector.ts";

const ROOT = join(import.meta.dirname, "..");

test("the bundle starts, finds its BFD speaker beside itself, and stops in order", async () => {
  const directory = await mkdtemp(join(tmpdir(), "paddock-bundle-"));
  const reflector = new BfdReflector({ seamless: { listen: [{ address: "::1", port: 0 }], discriminators: [900] } });
  const cleanUps: (() => unknown)[] = [() => rm(directory, { recursive: true, force: true }), () => reflector.close(0)];
  try {
    const dist = join(directory, "dist");
    await promisify(execFile)(join(ROOT, "node_modules/.bin/rolldown"), ["-c", "--dir", dist], { cwd: ROOT });
    const [remotePort] = await reflector.start();
    const config = join(directory, "gateway.json");
    const document = {
      dataDir: join(directory, "data"),
      listen: [{ address: "::1", port: 0 }],
      store: { minFreeBytes: 0, ballastBytes: 0 },
      discovery: { enabled: false },
      collector: { publicKey: "ab".repeat(32) },
      paths: [
        {
          name: "fibre",
          endpoint: "https://[::1]:9",
          bfd: { endToEnd: { mode: "seamless", remotePort, discriminator: 900, intervalMs: 100 } },
        },
      ],
    };
    await writeFile(config, JSON.stringify(document));
    const program = join(dist, "paddock-gateway.mjs");
    const child = spawn(process.execPath, [program, "run", "--config", config], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    cleanUps.push(() => child.kill("SIGKILL"));
    const exit = once(child, "exit");
    const seen: string[] = [];
    for await (const line of createInterface(child.stderr)) {
      const { event, liveness } = JSON.parse(line) as { event: string; liveness?: string };
      seen.push(event);
      if (event === "path-liveness" && liveness === "up") child.kill("SIGTERM");
    }
    expect(await exit).toEqual([0, null]);
    expect(seen).toEqual(expect.arrayContaining(["ready", "bfd-ready", "path-liveness", "stopped"]));
  } finally {
    for (const cleanUp of cleanUps.toReversed()) await cleanUp();
  }
}, 60_000);
