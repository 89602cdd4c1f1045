import { spawn, type ChildProcess } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeCollector } from "@paddock/uplink/forward/testing/fake-collector.ts";
import { signDirective, type DirectiveBody } from "@paddock/wire/directive.ts";
import type { DirectiveState } from "./machine.ts";

/** So long that a slow machine gets its receipt, and so short that nobody waits for the end of a trial. */
const LONG_S = 3600;
const SHORT_S = 1;

let directory: string;
let dataDir: string;
let configFile: string;
let collector: FakeCollector;
let child: ChildProcess | undefined;
let issued = 1;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-directives-"));
  dataDir = join(directory, "data");
  configFile = join(directory, "gateway.json");
  collector = new FakeCollector();
  await collector.listen();
});
afterEach(async () => {
  const running = child;
  child = undefined;
  if (running !== undefined && running.exitCode === null && running.signalCode === null) {
    running.kill("SIGKILL");
    await once(running, "exit");
  }
  await collector.stop();
  await rm(directory, { recursive: true, force: true });
});

/** The program with a document of its own; its log lines are collected. */
async function start(directives: Record<string, unknown>, more: Record<string, unknown> = {}): Promise<() => string> {
  const config = {
    dataDir,
    listen: [{ address: "::1", port: 0 }],
    store: { minFreeBytes: 0, ballastBytes: 0 },
    discovery: { enabled: false },
    forward: { drainMs: 100 },
    collector: { publicKey: Buffer.from(collector.identity.publicKeyRaw).toString("hex"), label: "own" },
    paths: [{ name: "fibre", endpoint: collector.endpoint }],
    directives: { everyS: 1, ...directives },
    ...more,
  };
  await writeFile(configFile, JSON.stringify(config));
  return run();
}

const main = join(import.meta.dirname, "../main.ts");

async function run(): Promise<() => string> {
  const started = spawn(process.execPath, [main, "run", "--config", configFile], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  child = started;
  let log = "";
  started.stderr.on("data", (chunk) => (log += String(chunk)));
  await expect.poll(() => log, { timeout: 30_000 }).toContain('"event":"ready"');
  return () => log;
}

async function state(): Promise<DirectiveState | undefined> {
  try {
    return JSON.parse(await readFile(join(dataDir, "directives.json"), "utf8")) as DirectiveState;
  } catch {
    return undefined;
  }
}

async function gatewayId(): Promise<Buffer> {
  await expect
    .poll(() => collector.uploads.length + collector.queries.length + collector.directivesAsked)
    .toBeGreaterThan(0);
  const { readIdentity, defaultKeyFile } = await import("@paddock/wire/identity-file.ts");
  return Buffer.from((await readIdentity(defaultKeyFile(dataDir)))!.id);
}

async function ask(body: DirectiveBody, more: { gateway?: Uint8Array; notAfter?: number } = {}): Promise<string> {
  const id = Buffer.alloc(16, ++issued);
  const gateway = more.gateway ?? (await gatewayId());
  const notAfter = more.notAfter ?? Date.now() + 86_400_000;
  collector.directive = signDirective(collector.identity, { id, gateway, issued, notAfter, body });
  return id.toString("hex");
}

function change(revision: number, patch: unknown): DirectiveBody {
  return { kind: "config", revision, document: JSON.stringify(patch) };
}

const outcome = async (id: string) => (await state())?.answers.find((each) => each.id === id && each.told)?.outcome;

describe("a change of the configuration that the collector asks for", () => {
  test("is used, confirmed by a receipt, kept over kill -9, and taken back at the gateway", async () => {
    const log = await start({ trialS: LONG_S });
    const id = await ask(change(1, { plainListen: [{ address: "::1", port: 0 }] }));
    await expect.poll(() => outcome(id)).toBe("applied");
    expect(await state()).toMatchObject({ confirmed: { revision: 1 }, trial: null });
    expect(log()).toContain('"restart":"trial of revision 1"');
    // What it said of the trial is in the chain, and has arrived.
    expect(collector.heldOf(await gatewayId(), 0).length).toBeGreaterThan(0);

    child!.kill("SIGKILL");
    await once(child!, "exit");
    collector.directive = undefined;
    const second = await run();
    expect(second()).toContain('"kind":"plain"');

    child!.kill("SIGTERM");
    await once(child!, "exit");
    const asked = spawn(process.execPath, [main, "directives", "--reset", "--config", configFile], { stdio: "pipe" });
    let said = "";
    asked.stdout.on("data", (chunk) => (said += String(chunk)));
    await once(asked, "close");
    expect(said).toContain('lies revision 1:\n{"plainListen"');
    const third = await run();
    expect(third()).not.toContain('"kind":"plain"');
    expect((await state())?.confirmed).toBeNull();
  });

  test("that cuts the gateway off is taken back by itself, and that is told", async () => {
    const log = await start({ trialS: SHORT_S });
    const id = await ask(change(1, { paths: [{ name: "fibre", endpoint: "https://[::1]:9" }] }));
    await expect.poll(() => outcome(id)).toBe("reverted");
    expect(await state()).toMatchObject({ confirmed: null, trial: null });
    expect(log()).toContain("no receipt came within");
    expect(log()).toContain('"restart":"the trial is over"');
  });

  test("under which the gateway does not start is taken back at once", async () => {
    await start({ trialS: LONG_S });
    const taken = createSocket("udp6").bind(0, "::1");
    await once(taken, "listening");
    const id = await ask(change(1, { listen: [{ address: "::1", port: taken.address().port }] }));
    await expect.poll(() => outcome(id)).toBe("reverted");
    taken.close();
    expect((await state())!.answers.at(-1)).toMatchObject({
      reason: expect.stringMatching(/^it does not start: /) as string,
    });
  });

  test("is gone when the gateway dies during the trial", async () => {
    await start({ trialS: LONG_S });
    const id = await ask(change(1, { paths: [{ name: "fibre", endpoint: "https://[::1]:9" }] }));
    await expect.poll(async () => (await state())?.trial).toMatchObject({ revision: 1 });
    child!.kill("SIGKILL");
    await once(child!, "exit");
    await run();
    await expect.poll(() => outcome(id)).toBe("reverted");
    expect(await state()).toMatchObject({ confirmed: null, trial: null });
  });

  test("is refused and told where it may not be, and nothing of a secret is said", async () => {
    const log = await start({ trialS: LONG_S });
    const refusals: [DirectiveBody, RegExp, { gateway?: Uint8Array; notAfter?: number }?][] = [
      [
        change(1, { dataDir: "/elsewhere", collector: { publicKey: "00" } }),
        /^dataDir, collector\.publicKey: no directive/,
      ],
      [change(2, { log: { level: "loud" } }), /log\.level/],
      [change(3, [1]), /no JSON object/],
      [change(4, {}), /meant for gateway 0909/, { gateway: Buffer.alloc(32, 9) }],
      [change(5, {}), /at the latest/, { notAfter: 1 }],
      [{ kind: "unknown", number: 9 }, /kind 9/],
      [
        { kind: "release", url: "https://[::1]/", version: "1.2.3", manifestSha256: Buffer.alloc(32) },
        /^unsupported: .*image/,
      ],
      [
        change(6, { collector: { claim: "sesame-open" }, log: { level: { secret: "sesame-open" } } }),
        /collector\.claim/,
      ],
    ];
    for (const [body, reason, more] of refusals) {
      const id = await ask(body, more);
      await expect.poll(() => outcome(id)).toBe("refused");
      expect((await state())!.answers.find((each) => each.id === id)!.reason).toMatch(reason);
    }
    const forged = collector.directive!;
    forged[forged.length - 1] = forged.at(-1)! ^ 1;
    const before = await state();
    await expect.poll(() => log()).toContain("directive-unsigned");
    expect(await state()).toEqual(before);
    expect(log()).not.toContain('"restart"');
    expect(log() + JSON.stringify(before)).not.toContain("sesame-open");
  });

  test("is not even looked at where the gateway takes none", async () => {
    await start({ take: [], trialS: LONG_S });
    await ask(change(1, { log: { level: "debug" } }));
    const asked = collector.directivesAsked;
    await expect.poll(() => collector.directivesAsked).toBeGreaterThan(asked + 1);
    expect(await state()).toBeUndefined();
  });
});

test("with a damaged state a gateway runs with its own document and keeps the damaged one", async () => {
  await start({ trialS: LONG_S });
  child!.kill("SIGTERM");
  await once(child!, "exit");
  await writeFile(join(dataDir, "directives.json"), '{"newest": 5');
  const log = await run();
  expect(log()).toContain('"event":"directives-damaged"');
  expect(await readFile(join(dataDir, "directives.json.damaged"), "utf8")).toBe('{"newest": 5');
});
