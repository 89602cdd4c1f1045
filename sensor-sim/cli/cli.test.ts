import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runInProcess } from "@paddock/base/testing/in-process.ts";
import { makePlan } from "../plan/plan.ts";
import { FakeGateway } from "../testing/fake-gateway.ts";
import { scenarioOf } from "../testing/scenarios.ts";
import { main } from "./commands.ts";

const program = fileURLToPath(new URL("../main.ts", import.meta.url));
let folder: string;
const children = new Set<ChildProcess>();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "paddock-sim-"));
});
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  children.clear();
  rmSync(folder, { recursive: true });
});

function start(argv: readonly string[]) {
  const child = spawn(process.execPath, [program, ...argv], { stdio: ["pipe", "pipe", "pipe"] });
  children.add(child);
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  return { child, ended };
}

/** Only what sends in earnest gets a process of its own: it listens for signals. */
async function sim(...argv: string[]) {
  if (argv[0] !== "run" || !argv.includes("--target")) return runInProcess(main, argv);
  const { child, ended } = start(argv);
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { stdout, stderr, code };
}

const scenario = {
  "paddock-scenario": 1,
  name: "small",
  duration: "300ms",
  fleets: [
    {
      name: "a",
      count: 3,
      cadence: "20ms",
      keyed: true,
      lane: "alarm",
      model: { kind: "constant", name: "t", value: 1 },
    },
  ],
};

function writeScenario(): string {
  const path = join(folder, "small.json");
  writeFileSync(path, JSON.stringify(scenario));
  return path;
}

test("run writes a ledger that verify joins with a log", async () => {
  const gateway = await FakeGateway.open();
  const sent = join(folder, "sent.ndjson");
  const run = await sim(
    "run",
    writeScenario(),
    "--seed",
    "4",
    "--target",
    `[::1]:${gateway.target.port}`,
    "--out",
    sent,
    "--json",
  );
  gateway.close();
  expect(run.stderr).toBe("");
  expect(run.code).toBe(0);
  const { frames } = JSON.parse(run.stdout) as { frames: number };
  expect(frames).toBeGreaterThan(30);

  const log = join(folder, "log.ndjson");
  const lines = gateway.seen.map(({ message }, offset) =>
    JSON.stringify({
      offset,
      lane: "alarm",
      source: sensorOf(message.payload),
      format: 17,
      received: Date.now(),
      frame: Buffer.from(message.payload).toString("base64url"),
    }),
  );
  writeFileSync(log, `${lines.join("\n")}\n`);
  const junit = join(folder, "junit.xml");
  const passed = await sim("verify", "--sent", sent, "--log", log, "--require-all", "--junit", junit);
  expect(passed.stdout).toMatch(new RegExp(`^PASS: ${frames} of ${frames}`));
  expect(passed.code).toBe(0);
  expect(readFileSync(junit, "utf8")).toContain('failures="0"');

  writeFileSync(log, `${lines.slice(1).join("\n")}\n`);
  const failed = await sim("verify", "--sent", sent, "--log", log, "--json");
  expect(JSON.parse(failed.stdout)).toMatchObject({ verdict: "FAIL", lost: 1 });
  expect(failed.code).toBe(1);
});

/** The kid of a frame of this scenario (RFC 9052 §3.1). */
function sensorOf(frame: Uint8Array): string {
  return /a-[0-2]/.exec(Buffer.from(frame).toString("latin1"))![0];
}

test("a run that nobody answers is no success, and neither is its verification", async () => {
  const gateway = await FakeGateway.open(() => "silence");
  const sent = join(folder, "sent.ndjson");
  const target = `[::1]:${gateway.target.port}`;
  const send = (...more: string[]) =>
    sim("run", writeScenario(), "--seed", "4", "--target", target, "--out", sent, "--drain", "100ms", ...more);
  const run = await send();
  expect(run.stdout).toMatch(/^No good frame was acknowledged, and 3 had no answer at all: check --target/);
  expect(run.code).toBe(1);
  expect((await send("--allow-unanswered", "3")).code).toBe(0);
  expect((await send("--allow-unanswered", "2")).code).toBe(1);
  gateway.close();

  const log = join(folder, "log.ndjson");
  writeFileSync(log, "");
  const verified = await sim("verify", "--sent", sent, "--log", log, "--max-late-p99", "1s");
  expect(verified.stdout).toContain("None of the frames is in the log, so nothing is proven.");
  expect(verified.code).toBe(1);
  const lenient = ["--allow-unconfirmed", "any", "--allow-nothing"];
  expect((await sim("verify", "--sent", sent, "--log", log, ...lenient)).code).toBe(0);
});

test.each(["run", "trace", "keys", "verify", "link", "tell", "schema"])("%s explains itself", async (command) => {
  const { stdout, code } = await sim(command, "--help");
  expect(stdout).toContain(`paddock sim ${command}`);
  expect(code).toBe(0);
});

test("keys writes a sensors file whose keys are those of the run, for its owner alone", async () => {
  const out = join(folder, "sensors.json");
  expect((await sim("keys", writeScenario(), "--seed", "4", "--out", out)).code).toBe(0);
  const { sensors } = JSON.parse(readFileSync(out, "utf8")) as { sensors: Record<string, Record<string, string>> };
  expect(Object.keys(sensors)).toEqual(["a-0", "a-1", "a-2"]);
  expect(sensors["a-0"]).toMatchObject({ alg: "HMAC 256/64", lane: "alarm" });
  expect(statSync(out).mode & 0o777).toBe(0o600);
});

test("trace says the same for the same seed", async () => {
  const path = writeScenario();
  const [one, two] = [await sim("trace", path, "--seed", "1"), await sim("trace", path, "--seed", "1")];
  const three = await sim("trace", path, "--seed", "2");
  expect(one.stdout).toMatch(/^[0-9a-f]{64}\n$/);
  expect(two.stdout).toBe(one.stdout);
  expect(three.stdout).not.toBe(one.stdout);
});

test.each([
  [["rum"], 'Did you mean "run"?'],
  [["run", "steady"], "--seed is missing"],
  [["run", "steady", "--seed", "1"], "--out is missing"],
  [["run", "steady", "--seed", "-1", "--out", "x"], "--seed"],
  [["run", "stedy", "--seed", "1", "--out", "x"], "Did you mean steady? Those that come along: churn, hostile,"],
  [["verify", "--sent", "nowhere.ndjson", "--log", "-"], "nowhere.ndjson cannot be read"],
  [["tell", "nowhere.sock", "{}"], "nowhere.sock cannot be reached"],
  [["link", "--listen", "[::1]:0"], "--target"],
  [["link", "--listen", "[::1]:0", "--target", "[::1]:1", "--loss", "2"], "--loss: write a probability"],
])("%j is refused with a reason", async (argv, reason) => {
  const { code, stderr } = await sim(...argv);
  expect(stderr).toContain(reason);
  expect(code).toBe(2);
});

describe("link", () => {
  test("obeys commands on its socket, says where it listens, and cleans up", async () => {
    const control = join(folder, "link.sock");
    const { child, ended } = start([
      "link",
      "--listen",
      "[::1]:0",
      "--target",
      "[::1]:1",
      "--name",
      "fibre",
      "--delay",
      "5ms",
      "--control",
      control,
    ]);
    const ready = await new Promise<string>((resolve) =>
      createInterface({ input: child.stderr }).once("line", resolve),
    );
    const { event, links } = JSON.parse(ready) as {
      event: string;
      links: { name: string; tcpPort: number; udpPort: number }[];
    };
    expect(event).toBe("ready");
    expect(links[0]!.name).toBe("fibre");
    expect(links[0]!.tcpPort).toBeGreaterThan(0);
    expect(links[0]!.udpPort).toBeGreaterThan(0);

    const socket = connect(control);
    const answers: unknown[] = [];
    const reader = createInterface({ input: socket });
    const ask = async (command: string): Promise<unknown> => {
      const answer = new Promise<string>((resolve) => reader.once("line", resolve));
      socket.write(`${command}\n`);
      answers.push(JSON.parse(await answer));
      return answers.at(-1);
    };
    expect(await ask('{"do":"cut","link":"fibre","direction":"to-target"}')).toEqual({ ok: true });
    expect(await ask('{"do":"status"}')).toMatchObject({
      ok: true,
      links: { fibre: { cut: ["to-target"], mode: "black-hole" } },
    });
    expect(await ask('{"do":"set","delay":"80ms","rateBitPerS":null}')).toEqual({ ok: true });
    expect(await ask('{"do":"heal","link":"fiber"}')).toMatchObject({
      ok: false,
      error: expect.stringContaining("fibre") as string,
    });
    expect(await ask("cut")).toMatchObject({ ok: false });
    expect(await ask('{"do":"heal"}')).toEqual({ ok: true });
    const told = await sim("tell", control, '{"do":"status","link":"fibre"}');
    expect(JSON.parse(told.stdout)).toMatchObject({ ok: true, links: { fibre: { cut: [] } } });
    expect((await sim("tell", control, "heal")).code).toBe(1);
    expect(await ask('{"do":"stop"}')).toEqual({ ok: true });
    expect(await ended).toBe(0);
    socket.destroy();
    expect(() => statSync(control)).toThrow();
  });

  test("ends with its standard input", async () => {
    const { child, ended } = start(["link", "--listen", "[::1]:0", "--target", "[::1]:1", "--stdin"]);
    child.stdin.end('{"do":"status"}\n');
    expect(JSON.parse(await text(child.stdout))).toMatchObject({ ok: true });
    expect(await ended).toBe(0);
  });
});

test("the mote data set is replayed with its labels", async () => {
  const { loadMotes } = await import("../plan/motes.ts");
  const motes = await loadMotes();
  expect(motes.map((rows) => rows.length)).toEqual([4417, 4417, 5039, 5041]);
  expect(motes.map((rows) => rows.filter(({ event }) => event).length)).toEqual([117, 0, 0, 32]);
  const plan = makePlan({ scenario: scenarioOf({ count: 4, model: { kind: "mote-replay" } }), seed: 1, motes });
  expect([...plan.frames].length).toBe(40);
});
