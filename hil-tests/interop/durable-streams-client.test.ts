import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BackoffDefaults, FetchError, stream, type LiveMode } from "@durable-streams/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "@paddock/base/testing/until.ts";
import { codeBlock } from "../docs/code-block.ts";
import { run } from "../docs/run.ts";
import { CollectorProcess } from "../durable-streams/collector-process.ts";

/** npm's client of the Durable Streams protocol, as it is, on the log of a real collector. */

let collector: CollectorProcess;
let headers: Record<string, string>;

beforeAll(async () => {
  collector = await CollectorProcess.start();
  headers = { authorization: `Bearer ${await collector.token()}` };
});
afterAll(() => collector.remove());

/** Of the collector, under each reader. */
const KILLS = 3;

const backoffOptions = { ...BackoffDefaults, maxDelay: 200 };

interface Read {
  readonly lines: string[];
  /** Behind them. */
  readonly offset: string;
}

/** What is there from a place on. Without `live` the client reads one answer, however much there is: `upToDate` says. */
async function catchUp(from = "-1"): Promise<Read> {
  const lines: string[] = [];
  let offset = from;
  for (;;) {
    const response = await stream({ url: collector.url, headers, live: false, offset });
    lines.push(...(await response.json()).map((item) => JSON.stringify(item)));
    ({ offset } = response);
    if (response.upToDate) return { lines, offset };
  }
}

/** The same lines; says where the first other one is, not all of both. */
function expectSame(lines: readonly string[], wanted: readonly string[]): void {
  const at = wanted.findIndex((line, index) => line !== lines[index]);
  if (at >= 0) expect({ at, line: lines[at] }).toEqual({ at, line: wanted[at] });
  expect(lines.length).toBe(wanted.length);
}

/** Reads on and on, as a program does that keeps its place with what it has; `seen` grows. */
async function follow(live: LiveMode, seen: string[], signal: AbortSignal): Promise<void> {
  let offset = "-1";
  while (!signal.aborted) {
    try {
      const response = await stream({ url: collector.url, headers, offset, live, signal, backoffOptions });
      response.subscribeJson((batch) => {
        seen.push(...batch.items.map((item) => JSON.stringify(item)));
        offset = batch.offset;
      });
      await response.closed;
    } catch (error) {
      // Once an answer breaks off in the middle it does not try again by itself.
      if (error instanceof FetchError && error.status < 500) throw error;
    }
  }
}

test("reads from the beginning what `paddock collector log` prints, byte for byte", async () => {
  expect((await catchUp()).lines).toEqual([]);
  // Some three answers of 1 MiB.
  for (let round = 0; round < 10; round++) await collector.upload(2, 500);
  const { lines } = await catchUp();
  expectSame(lines, await collector.lines());
  expect(lines.length).toBe(collector.records);
});

test("goes on from a place that was kept, when reader and collector were started again", async () => {
  await collector.upload(3);
  const before = await catchUp();
  await collector.end("SIGTERM");
  await collector.startAgain();
  await collector.upload(4);
  const behind = await catchUp(before.offset);
  expect(behind.lines).toHaveLength(4);
  expectSame([...before.lines, ...behind.lines], await collector.lines());
  expect((await catchUp(behind.offset)).lines).toEqual([]);
});

describe.each<LiveMode>(["sse", "long-poll", true])("live: %s", (live) => {
  test("has each record once, in order, however often the collector is killed", { timeout: 300_000 }, async () => {
    const seen: string[] = [];
    const done = new AbortController();
    const following = follow(live, seen, done.signal);
    for (let kill = 0; kill < KILLS; kill++) {
      const { length } = seen;
      // Until it follows: only then there is something to break off.
      await until(async () => {
        await collector.upload(1, 20);
        return seen.length > length;
      });
      const uploads = Array.from({ length: 10 }, () => collector.upload(1, 50));
      await uploads[kill * 4];
      await collector.end("SIGKILL");
      await Promise.all(uploads);
      await collector.startAgain();
    }
    await until(() => collector.upload(1));
    await until(() => expect(seen.length).toBeGreaterThanOrEqual(collector.records));
    done.abort();
    await following;
    expectSame(seen, await collector.lines());
    expect(seen.length).toBe(collector.records);
  });
});

const refused = (more: Partial<Parameters<typeof stream>[0]>) =>
  stream({ url: collector.url, headers, live: false, ...more }).catch((error: unknown) => error);

describe("tells", () => {
  test.each([{}, { authorization: `Bearer ${"0".repeat(64)}` }])("who does not show the token: %o", async (shown) => {
    expect(await refused({ headers: shown })).toMatchObject({
      status: 401,
      json: { error: "token", message: expect.stringContaining("operator-token") as string },
    });
  });

  test.each([false, "sse", "long-poll"] as const)("a place that is none of this log (live: %s)", async (live) => {
    await collector.upload(1);
    const { offset } = await catchUp();
    const other = await refused({ live, offset: offset.replace(/_.*/u, `_${"0".repeat(32)}`) });
    expect(other).toMatchObject({ status: 410, json: { error: "gone" } });
    const beyond = await refused({ live, offset: offset.replace(/^\d+/u, "0000000099999999") });
    expect(beyond).toMatchObject({
      status: 410,
      json: { message: expect.stringContaining("behind the end of the log") as string },
    });
    expect(await refused({ live, offset: "7" })).toMatchObject({ status: 400, json: { error: "query" } });
  });
});

describe("the examples of docs/operations.md", () => {
  let section: string;
  beforeAll(async () => {
    const page = await readFile(join(import.meta.dirname, "../../docs/operations.md"), "utf8");
    section = page.slice(page.indexOf("\n### The log as a stream\n"));
  });

  test("curl, from call to call", async () => {
    await collector.upload(2, 4000);
    const port = new URL(collector.url).port;
    const call = codeBlock(section, "sh");
    const parts = [call, "while ! grep -qi '^stream-up-to-date: true' head; do", call, "done"];
    const script = `data=${collector.dataDir} port=${port} place=; cd ${collector.directory}\n{\n${parts.join("\n")}\n} >out`;
    expect(await run("sh", "-euc", script)).toEqual({ status: 0, output: "" });
    const printed = await readFile(join(collector.directory, "out"), "utf8");
    expectSame(printed.split("\n").slice(0, -1), await collector.lines());
  });

  test("Node, over a kill of the collector and a stop of its own", async () => {
    const program = join(collector.directory, "follow.mjs");
    await writeFile(program, codeBlock(section, "js"));
    await symlink(join(import.meta.dirname, "../node_modules"), join(collector.directory, "node_modules"));
    const place = join(collector.directory, "place");
    const argv = [collector.url, join(collector.dataDir, "operator-token"), place];
    let said = "";
    const start = () => {
      const child = spawn(process.execPath, [program, ...argv], { stdio: ["ignore", "pipe", "inherit"] });
      child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
      return child;
    };
    const lines = () => said.split("\n").slice(0, -1);
    // Both: stopped between the two, it would rightly print the last ones again.
    const hasAll = async () => {
      expect(lines().length).toBeGreaterThanOrEqual(collector.records);
      expect(Number((await readFile(place, "utf8")).split("_")[0])).toBe(collector.records);
    };
    let child = start();
    await until(hasAll);
    await collector.end("SIGKILL");
    await collector.startAgain();
    await collector.upload(1, 3);
    await until(hasAll);
    child.kill();
    await once(child, "exit");
    await collector.upload(1, 3);
    child = start();
    await until(hasAll);
    child.kill();
    await once(child, "exit");
    expectSame(lines(), await collector.lines());
  });
});
