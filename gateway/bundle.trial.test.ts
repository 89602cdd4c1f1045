import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, cp, lstat, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BfdReflector } from "@paddock/uplink/bfd/reflector.ts";
import { CODE_CHANGED } from "@paddock/wire/coap-codes.ts";
import { CoapSender, senmlFrame } from "./testing/coap-sender.ts";

const ROOT = join(import.meta.dirname, "..");
const NATIVE = "node_modules/classic-level/classic-level.node";

const GATEWAY = { discovery: { enabled: false } };

let directory: string;
/** A copy of the bundle, in a folder that shares nothing with the checkout. */
let copied: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-bundle-"));
  const made = join(directory, "made");
  await bundle(made, "x64");
  copied = join(directory, "copied");
  await cp(made, copied, { recursive: true, verbatimSymlinks: true });
  await rm(made, { recursive: true });
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function bundle(into: string, arch: string, program = "gateway"): Promise<void> {
  const args = ["-c", "--dir", into, "--environment", `ARCH:${arch},PROGRAM:${program}`];
  await promisify(execFile)(join(ROOT, "node_modules/.bin/rolldown"), args, { cwd: ROOT });
}

async function filesOf(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  const isFile = await Promise.all(names.map(async (name) => !(await lstat(join(folder, name))).isDirectory()));
  return names.filter((_, index) => isFile[index]).toSorted();
}

/** What an ELF file is made for: e_machine. */
function machine(file: Buffer): number {
  return file.readUInt16LE(18);
}

/** Runs a program of a bundle until `seen` returns true or it ends by itself. Resolves with what it logged and its end. */
async function run(
  folder: string,
  document: Record<string, unknown>,
  seen: (line: Record<string, unknown>) => Promise<boolean> | boolean,
  program = "paddock-gateway",
): Promise<{ events: string[]; end: unknown[]; said: string }> {
  const home = await mkdtemp(join(directory, "home-"));
  const config = join(home, "gateway.json");
  const common = {
    dataDir: join(home, "data"),
    listen: [{ address: "::1", port: 0 }],
    store: { minFreeBytes: 0, ballastBytes: 0 },
  };
  await writeFile(config, JSON.stringify({ ...common, ...document }));
  const child = spawn(process.execPath, [join(folder, `${program}.mjs`), "run", "--config", config], {
    cwd: home,
    env: { PATH: process.env["PATH"] },
    stdio: ["ignore", "ignore", "pipe"],
  });
  try {
    const exit = once(child, "exit");
    const events: string[] = [];
    let said = "";
    for await (const text of createInterface(child.stderr)) {
      said += `${text}\n`;
      if (!text.startsWith("{")) continue;
      const line = JSON.parse(text) as { event: string };
      events.push(line.event);
      if (await seen(line)) child.kill("SIGTERM");
    }
    return { events, end: await exit, said };
  } finally {
    child.kill("SIGKILL");
  }
}

test("a copy of the bundle is closed: plain files, of which one is native, and no word of where it was made", async () => {
  const files = await filesOf(copied);
  const stats = await Promise.all(files.map((name) => lstat(join(copied, name))));
  expect(stats.filter((stat) => !stat.isFile())).toEqual([]);
  expect(files.filter((name) => name.startsWith("node_modules/") || name.endsWith(".node"))).toEqual([NATIVE]);
  for (const name of files) expect((await readFile(join(copied, name))).includes(ROOT), name).toBe(false);
});

test("it brings the licences of what is in it", async () => {
  const text = await readFile(join(copied, "LICENCES.txt"), "utf8");
  for (const name of ["classic-level 3", "abstract-level ", "bonjour-service ", "valibot "])
    expect(text).toContain(name);
  expect(text.match(/^Licence: /gm)!.length).toBe(new Set(text.match(/^\S+ \d\S+$(?=\nLicence: )/gm)).size);
  expect(text).toContain("Redistributions of source code");
});

test("it takes a frame, makes it durable and answers", async () => {
  let answer: number | undefined;
  const { events, end } = await run(copied, GATEWAY, async ({ event, addresses }) => {
    if (event !== "ready") return false;
    const sender = await CoapSender.open((addresses as { port: number }[])[0]!.port);
    answer = await sender.post(["i"], senmlFrame("t", 21));
    sender.close();
    return true;
  });
  expect(answer).toBe(CODE_CHANGED);
  expect({ events: events.slice(-2), end }).toEqual({ events: ["stopping", "stopped"], end: [0, null] });
});

test("it finds its BFD speaker beside itself", async () => {
  const reflector = new BfdReflector({ seamless: { listen: [{ address: "::1", port: 0 }], discriminators: [900] } });
  try {
    const [remotePort] = await reflector.start();
    const document = {
      ...GATEWAY,
      collector: { publicKey: "ab".repeat(32) },
      paths: [
        {
          name: "fibre",
          endpoint: "https://[::1]:9",
          bfd: { endToEnd: { mode: "seamless", remotePort, discriminator: 900, intervalMs: 100, detectMult: 50 } },
        },
      ],
    };
    const { events, end } = await run(
      copied,
      document,
      ({ event, liveness }) => event === "path-liveness" && liveness === "up",
    );
    expect(end).toEqual([0, null]);
    expect(events).toEqual(expect.arrayContaining(["ready", "bfd-ready", "path-liveness", "stopped"]));
  } finally {
    await reflector.close(0);
  }
});

test("without its native part it does not start, and says what is missing", async () => {
  const broken = join(directory, "broken");
  await cp(copied, broken, { recursive: true });
  await rm(join(broken, NATIVE));
  const { events, end, said } = await run(broken, GATEWAY, ({ event }) => event === "ready");
  expect(events).not.toContain("ready");
  expect(end[0]).not.toBe(0);
  expect(said).toContain("classic-level.node");
});

test("the bundle of another processor differs in its native part alone", async () => {
  const arm = join(directory, "arm64");
  await bundle(arm, "arm64");
  // 183 is AArch64, 62 is x86-64.
  expect(machine(await readFile(join(arm, NATIVE)))).toBe(183);
  expect(machine(await readFile(join(copied, NATIVE)))).toBe(62);
  await copyFile(join(copied, NATIVE), join(arm, NATIVE));
  for (const name of await filesOf(copied))
    expect((await readFile(join(arm, name))).equals(await readFile(join(copied, name))), name).toBe(true);
});

test("the collector has one of its own, which starts as well", async () => {
  const collector = join(directory, "collector");
  await bundle(collector, "x64", "collector");
  const { events, end } = await run(collector, {}, ({ event }) => event === "ready", "paddock-collector");
  expect(events).toContain("ready");
  expect(end).toEqual([0, null]);
  // And finds the program of its sinks beside itself.
  const sinks = [{ name: "lines", files: { directory: join(directory, "lines") } }];
  const withSinks = await run(collector, { sinks }, ({ event }) => event === "sink-opened", "paddock-collector");
  expect(withSinks.events).toContain("sink-opened");
  expect(withSinks.end).toEqual([0, null]);
});

test("a bundle for a processor that is not known is not made", async () => {
  await expect(bundle(join(directory, "none"), "riscv64")).rejects.toThrow("a bundle is made for x64 or arm64");
});
