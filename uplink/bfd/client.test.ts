import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { runInProcess } from "@paddock/base/testing/in-process.ts";
import { until } from "@paddock/base/testing/until.ts";
import { askSpeaker } from "./ask.ts";
import { bfdCommand } from "./bfd-command.ts";
import { BfdClient, type LivenessChange } from "./client.ts";
import { serveControl } from "./control-server.ts";
import { ANSWER_BYTES_MAX, onJsonLines, writeJsonLine } from "./json-lines.ts";
import { BfdReflector } from "./reflector.ts";
import type { SessionSpecInput } from "./session-spec.ts";
import { Speaker } from "./speaker.ts";

const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));

const cleanUps: (() => unknown)[] = [];
let directory: string;
let session: SessionSpecInput;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-bfd-test-"));
  cleanUps.push(() => rm(directory, { recursive: true, force: true }));
  const reflector = new BfdReflector({ seamless: { listen: [{ address: "::1", port: 0 }], discriminators: [900] } });
  cleanUps.push(() => reflector.close(0));
  const [port] = await reflector.start();
  session = {
    name: "path-a",
    kind: "seamless",
    local: "::1",
    remote: "::1",
    remotePort: port!,
    remoteDiscriminator: 900,
    intervalMs: 100,
    // Only what is done here may change a session, not a machine that stands still.
    detectMult: 100,
  };
});

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

function client(options: Partial<ConstructorParameters<typeof BfdClient>[0]> = {}): {
  client: BfdClient;
  changes: LivenessChange[];
} {
  const made = new BfdClient({ owner: "gateway", ...options });
  const changes: LivenessChange[] = [];
  made.onLiveness((change) => changes.push(change));
  cleanUps.push(() => made.close());
  return { client: made, changes };
}

async function inProcess(): Promise<{ path: string; speaker: Speaker; stop: () => Promise<void> }> {
  const path = join(directory, "bfd.sock");
  const speaker = new Speaker();
  const control = await serveControl(speaker, path);
  const stop = async (): Promise<void> => {
    await control.close();
    await speaker.close(0);
  };
  return { path, speaker, stop };
}

describe("a speaker that somebody else runs", () => {
  test("gets the sessions, tells liveness, and loses what is no longer wanted", async () => {
    const { path, speaker, stop } = await inProcess();
    cleanUps.push(stop);
    speaker.add({ ...session, name: "left-over", owner: "gateway" });
    speaker.add({ ...session, name: "foreign", owner: "somebody" });
    const { client: gateway, changes } = client({ socket: path });
    gateway.setSessions([session]);
    await gateway.start();
    expect(gateway.liveness("path-a")).toBe("unknown");
    await until(() => expect(gateway.liveness("path-a")).toBe("up"));
    expect(changes).toMatchObject([{ name: "path-a", liveness: "up", event: { event: "state", to: "up" } }]);
    const names = () =>
      speaker
        .report()
        .sessions.map(({ name }) => name)
        .toSorted();
    expect(names()).toEqual(["foreign", "path-a"]);
    gateway.setSessions([{ ...session, name: "path-b" }]);
    await until(() => expect(names()).toEqual(["foreign", "path-b"]));
    expect((await gateway.report())!.sessions.map(({ name }) => name)).toEqual(["path-b"]);
    expect(() => gateway.setSessions([{ ...session, local: "nowhere" }])).toThrow(/local/);
  });

  test("two owners have sessions of one name, and each sees, changes and removes its own alone", async () => {
    const { path, speaker, stop } = await inProcess();
    cleanUps.push(stop);
    const a = client({ socket: path, owner: "gateway /a" });
    const b = client({ socket: path, owner: "gateway /b" });
    a.client.setSessions([session]);
    await a.client.start();
    await until(() => expect(a.client.liveness("path-a")).toBe("up"));
    const ours = speaker.report().sessions[0]!.localDiscriminator;
    // Nobody answers B's: if one of them took the other's session, A would be down or B up.
    b.client.setSessions([{ ...session, remotePort: session.remotePort! + 1 }]);
    await b.client.start();
    await until(async () => expect((await b.client.report())?.sessions).toMatchObject([{ owner: "gateway /b" }]));
    expect((await a.client.report())!.sessions).toMatchObject([{ localDiscriminator: ours, liveness: "up" }]);
    expect(b.client.liveness("path-a")).toBe("unknown");

    b.client.setSessions([session]);
    await until(() => expect(b.client.liveness("path-a")).toBe("up"));
    b.client.setSessions([]);
    await until(() => expect(speaker.sessionCount).toBe(1));
    await b.client.close();
    expect((await a.client.report())!.sessions).toMatchObject([{ localDiscriminator: ours, liveness: "up", downs: 0 }]);
    expect(a.changes.map(({ liveness }) => liveness)).toEqual(["up"]);
  });

  test("what belongs to another owner is refused and told, with its name", async () => {
    const { path, speaker, stop } = await inProcess();
    cleanUps.push(stop);
    speaker.add({ ...session, owner: "gateway /a" });
    const said: unknown[] = [];
    const socket = connect(path);
    cleanUps.push(() => socket.destroy());
    onJsonLines(socket, ANSWER_BYTES_MAX, (message) => said.push(message));
    writeJsonLine(socket, { id: 1, do: "remove", name: "path-a" });
    writeJsonLine(socket, { id: 2, do: "change", name: "path-a", owner: "gateway /b", patch: { profile: "slow" } });
    writeJsonLine(socket, { id: 3, do: "remove", name: "path-a", owner: "gateway /a" });
    await until(() => expect(said).toHaveLength(3));
    expect(said).toMatchObject([
      { id: 1, ok: false, code: "BFD_INVALID", message: expect.stringContaining('owner "gateway /a" is not yours') },
      { id: 2, ok: false, code: "BFD_INVALID", message: expect.stringContaining("gateway /b") },
      { id: 3, ok: true },
    ]);
  });

  test("hundreds of sessions fit into one answer, to a client and to status", async () => {
    const { path, speaker, stop } = await inProcess();
    cleanUps.push(stop);
    for (let index = 0; index < 600; index++) {
      speaker.add({ ...session, owner: "gateway", name: `path-${index}`, enabled: false });
    }
    expect(JSON.stringify(speaker.report()).length).toBeGreaterThan(256 * 1024);
    expect((await askSpeaker(path)).sessions).toHaveLength(600);
    const { client: gateway } = client({ socket: path });
    gateway.setSessions([session]);
    await gateway.start();
    await until(() => expect(gateway.liveness("path-a")).toBe("up"));
    expect(gateway.connected).toBe(true);
  });

  test("when it goes every session is unknown, and known again when it is back", async () => {
    const first = await inProcess();
    const { client: gateway, changes } = client({ socket: first.path });
    gateway.setSessions([session]);
    await gateway.start();
    await until(() => expect(gateway.liveness("path-a")).toBe("up"));
    await first.stop();
    await until(() => expect(gateway.liveness("path-a")).toBe("unknown"));
    const second = await inProcess();
    cleanUps.push(second.stop);
    await until(() => expect(gateway.liveness("path-a")).toBe("up"));
    expect(changes.map(({ liveness }) => liveness)).toEqual(["up", "unknown", "up"]);
  });

  test("sessions of an earlier connection go on, and those that looked elsewhere begin anew", async () => {
    const { path, speaker, stop } = await inProcess();
    cleanUps.push(stop);
    const first = new BfdClient({ socket: path, owner: "gateway" });
    first.setSessions([session, { ...session, name: "moved", remotePort: session.remotePort! + 1 }]);
    await first.start();
    await until(() => expect(first.liveness("path-a")).toBe("up"));
    await first.close();
    const discriminators = () =>
      Object.fromEntries(speaker.report().sessions.map((each) => [each.name, each.localDiscriminator]));
    const before = discriminators();
    const wanted = [session, { ...session, name: "moved" }];
    // It is logged after the sessions were asked for, and before any answer: a changed pace of another path may ask again then.
    const log = { ...silentLog, info: () => second.setSessions(wanted) };
    const { client: second, changes } = client({ socket: path, log });
    second.setSessions(wanted);
    await second.start();
    await until(() => expect([second.liveness("path-a"), second.liveness("moved")]).toEqual(["up", "up"]));
    expect(changes.find(({ name }) => name === "path-a")).toMatchObject({ liveness: "up", event: undefined });
    expect(changes.find(({ name }) => name === "moved")).toMatchObject({ event: { event: "state", to: "up" } });
    const after = discriminators();
    expect(after["path-a"]).toBe(before["path-a"]);
    expect(after["moved"]).not.toBe(before["moved"]);
  });

  test("is missed in the log once, until it was there again", async () => {
    const warn = vi.fn<(event: string, fields?: object) => void>();
    const path = join(directory, "bfd.sock");
    const { client: gateway } = client({ socket: path, log: { ...silentLog, warn } });
    gateway.setSessions([session]);
    await gateway.start();
    await until(() =>
      expect(warn.mock.calls).toMatchObject([
        ["bfd-speaker-gone", { detail: expect.stringMatching(/nothing answers at/) }],
      ]),
    );
    const { stop } = await inProcess();
    await until(() => expect(gateway.liveness("path-a")).toBe("up"));
    await stop();
    await until(() => expect(warn).toHaveBeenCalledTimes(2));
  });

  test("answers bad requests with a reason and drops what is not its protocol", async () => {
    const { path, stop } = await inProcess();
    cleanUps.push(stop);
    const socket = connect(path);
    cleanUps.push(() => socket.destroy());
    socket.setEncoding("utf8");
    socket.write(`{"id":1,"do":"fly"}\n{"id":2,"do":"remove","name":"none"}\nnull\n`);
    let text = "";
    socket.on("data", (chunk: string) => (text += chunk));
    await until(() => expect(text.split("\n")).toHaveLength(4));
    const lines = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown);
    expect(lines).toMatchObject([
      { id: 1, ok: false, code: "CONFIG_INVALID" },
      { id: 2, ok: false, code: "BFD_INVALID", message: 'there is no session "none".' },
      { id: null, ok: false },
    ]);
    const ended = once(socket, "close");
    socket.write("GET / HTTP/1.1\n");
    await ended;
  });
});

test("a child that hangs counts as gone, and is started again", async () => {
  const clock = new VirtualClock();
  const { client: gateway, changes } = client({ clock });
  gateway.setSessions([session]);
  await gateway.start();
  /** Time passes between attempts to connect alone: an answer takes as long as this machine needs. */
  const isUp = () => {
    if (!gateway.connected) clock.advance(100);
    expect(gateway.liveness("path-a")).toBe("up");
  };
  await until(isUp);
  const pid = gateway.childPid!;
  process.kill(pid, "SIGSTOP");
  void gateway.report();
  clock.advance(4999);
  await new Promise(setImmediate);
  expect(gateway.connected).toBe(true);
  clock.advance(1);
  await until(() => expect(gateway.liveness("path-a")).toBe("unknown"));
  await until(isUp);
  expect(gateway.childPid).not.toBe(pid);
  expect(changes.map(({ liveness }) => liveness)).toEqual(["up", "unknown", "up"]);
});

test("without a socket a child process is started, and started again when it is killed", async () => {
  const { client: gateway, changes } = client();
  gateway.setSessions([session]);
  await gateway.start();
  await until(() => expect(gateway.liveness("path-a")).toBe("up"));
  process.kill(gateway.childPid!, "SIGKILL");
  await until(() => expect(gateway.liveness("path-a")).toBe("unknown"));
  await until(() => expect(gateway.liveness("path-a")).toBe("up"));
  expect(changes.map(({ liveness }) => liveness)).toEqual(["up", "unknown", "up"]);
});

describe("paddock bfd --standalone", () => {
  test("runs the sessions of a file, prints events, answers status and ends on SIGTERM", async () => {
    const config = join(directory, "bfd.json");
    const socket = join(directory, "standalone.sock");
    await writeFile(config, JSON.stringify({ socket, sessions: [session] }));
    const { child, output } = run("--standalone", "--config", config);
    await until(() => expect(output()).toMatch(/"event":"state".*"to":"up"/));
    const report = await askSpeaker(socket);
    expect(report.sessions).toMatchObject([{ name: "path-a", liveness: "up" }]);
    const status = run("status", "--socket", socket);
    expect(await once(status.child, "exit")).toEqual([0, null]);
    expect(status.output()).toMatch(/path-a\s+seamless\s+up/);
    child.kill("SIGTERM");
    expect(await once(child, "exit")).toEqual([0, null]);
  });

  test.each([
    [["--standalone"], /--config FILE belong together/],
    [[], /--socket PATH is missing/],
    [["fly"], /not a command/],
    [["status", "--socket", "/nonexistent/bfd.sock"], /STATUS_UNREACHABLE/],
    [["--sokcet", "x"], /USAGE/],
  ])("%j is refused with a reason", async (argv, reason) => {
    const { code, stderr } = await runInProcess(bfdCommand, argv);
    expect(code).toBe(2);
    expect(stderr).toMatch(reason);
  });
});

function run(...argv: string[]): { child: ChildProcess; output: () => string } {
  const child = spawn(process.execPath, [MAIN, ...argv], { stdio: ["ignore", "pipe", "pipe"] });
  cleanUps.push(() => child.kill("SIGKILL"));
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  return { child, output: () => text };
}
