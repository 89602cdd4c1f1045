import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import type { FrameSink } from "@paddock/gateway/commit/frame-sink.ts";
import { Ingest } from "@paddock/gateway/ingest/ingest.ts";
import { Sensors } from "@paddock/gateway/ingest/sensors.ts";
import { UdpListeners } from "@paddock/gateway/ingest/udp-listener.ts";
import { resolveSenml } from "@paddock/wire/senml-read.ts";
import { codeBlock } from "../docs/code-block.ts";

/** Debian's build of libcoap's example client, from the package libcoap3-bin. */
const CLIENT = "coap-client-notls";

interface Taken {
  readonly lane: number;
  readonly format: number;
  readonly frame: Buffer;
}

let directory = "";
let listeners: UdpListeners;
let ingest: Ingest;
let base = "";
const taken: Taken[] = [];

const sink: FrameSink = {
  submit({ lane, format, frame }, committed) {
    taken.push({ lane, format, frame: Buffer.from(frame) });
    // As a disk would: the answer comes a little later.
    setTimeout(() => committed?.(undefined), 2);
    return undefined;
  },
};

beforeAll(async () => {
  const version = await client("-h");
  if (version.missing)
    throw new Error(`${CLIENT} is not installed; apt-get install libcoap3-bin (hil-tests/setup.sh does it)`);
  directory = await mkdtemp(join(tmpdir(), "paddock-libcoap-"));
  const sensors = new Sensors({ unknown: "accept" });
  ingest = new Ingest({ sink, sensors, clock: systemClock });
  listeners = await UdpListeners.open({
    ingest,
    clock: systemClock,
    log: silentLog,
    listen: [{ address: "::1", port: 0 }],
  });
  base = `coap://[::1]:${listeners.addresses()[0]!.port}`;
});

afterAll(async () => {
  await listeners?.close();
  if (directory !== "") await rm(directory, { recursive: true });
});

beforeEach(() => void taken.splice(0));

interface Ran {
  readonly missing: boolean;
  readonly status: number;
  readonly output: string;
}

async function client(...args: string[]): Promise<Ran> {
  return await new Promise((resolve) => {
    execFile(CLIENT, args, { timeout: 60_000 }, (error, stdout, stderr) => {
      const missing = (error as NodeJS.ErrnoException | null)?.code === "ENOENT";
      resolve({ missing, status: typeof error?.code === "number" ? error.code : 0, output: stdout + stderr });
    });
  });
}

let files = 0;
async function post(path: string, payload: Uint8Array, ...args: string[]): Promise<Ran> {
  const file = join(directory, `${files++}.cbor`);
  await writeFile(file, payload);
  return await client("-B", "20", "-m", "post", ...args, "-f", file, `${base}${path}`);
}

function packOf(records: number): Buffer {
  const parts = [Buffer.from([0x99, records >> 8, records & 0xff])];
  for (let index = 0; index < records; index++) {
    parts.push(
      Buffer.from([0xa2, 0x00, 0x63]),
      Buffer.from("abc"),
      Buffer.from([0x02, 0x19, index >> 8, index & 0xff]),
    );
  }
  return Buffer.concat(parts);
}

const SMALL = packOf(3);
const LARGE = packOf(240);

describe("libcoap's client", () => {
  test.each([["CON"], ["NON", "-N"]])("%s", async (_name, ...flags) => {
    const { output } = await post("/i/alarm", SMALL, "-t", "112", "-v", "7", ...flags);
    expect(output).toContain("2.04");
    expect(taken).toEqual([{ lane: 0, format: 112, frame: SMALL }]);
  });

  test.each([
    ["CON", "1024"],
    ["CON", "256"],
    ["NON", "1024", "-N"],
    ["NON", "256", "-N"],
  ])("Block1, %s, blocks of %s", async (_name, size, ...flags) => {
    const { output } = await post("/i", LARGE, "-t", "112", "-b", size, "-v", "7", ...flags);
    expect(output).toContain("2.04");
    expect(taken).toEqual([{ lane: 1, format: 112, frame: LARGE }]);
  });

  test(".well-known/core, whole, filtered and in small blocks", async () => {
    const whole = await client("-B", "20", "-m", "get", `${base}/.well-known/core`);
    expect(whole.output).toContain('</i/alarm>;rt="paddock.frames paddock.lane.alarm"');
    const filtered = await client("-B", "20", "-m", "get", `${base}/.well-known/core?href=/dp`);
    expect(filtered.output.trim()).toMatch(/^<\/dp>[^<]*$/);
    const blocks = await client("-B", "20", "-b", "64", "-m", "get", `${base}/.well-known/core`);
    expect(blocks.output.replaceAll("\n", "")).toContain(whole.output.trim());
  });

  test("an unknown format is 4.15, an unknown resource 4.04, a wrong method 4.05, junk 4.00", async () => {
    expect((await post("/i", SMALL, "-t", "60")).output).toContain("4.15");
    expect((await post("/nowhere", SMALL, "-t", "112")).output).toContain("4.04");
    expect((await client("-B", "20", "-m", "get", `${base}/i`)).output).toContain("4.05");
    expect((await post("/i", Buffer.of(0xff), "-t", "112")).output).toContain("4.00 SenML");
    expect(taken).toEqual([]);
  });

  test("a critical option that nobody knows is 4.02", async () => {
    expect((await post("/i", SMALL, "-t", "112", "-O", "2051,x")).output).toContain("4.02");
  });

  test("with 30 % of what the client sends lost, a frame is stored exactly once", { timeout: 120_000 }, async () => {
    for (let round = 0; round < 3; round++) {
      const { output } = await post("/i", packOf(5 + round), "-t", "112", "-l", "30%", "-B", "60", "-v", "7");
      expect(output).toContain("2.04");
    }
    const { output } = await post("/i", LARGE, "-t", "112", "-b", "1024", "-l", "30%", "-B", "60", "-v", "7");
    expect(output).toContain("2.04");
    expect(taken.map(({ frame }) => frame)).toEqual([packOf(5), packOf(6), packOf(7), LARGE]);
  });

  test("the command of docs/sensors.md, as it stands there", async () => {
    const page = await readFile(new URL("../../docs/sensors.md", import.meta.url), "utf8");
    const command = codeBlock(page, "sh").replace("coap://[::1]:5683", base);
    const output = await new Promise<string>((resolve) => {
      execFile("sh", ["-c", command], { timeout: 60_000 }, (_, stdout, stderr) => resolve(stdout + stderr));
    });
    expect(output).toContain("2.04");
    expect(taken.map(({ frame }) => resolveSenml(frame, { now: 1 }))).toMatchObject([
      { ok: true, value: [{ name: "barn:temp", unit: "Cel", value: 21.5 }] },
    ]);
  });

  test("it ends with 0 also when it was refused, and knows no SenML name", async () => {
    expect(await post("/i", Buffer.of(0xff), "-t", "112")).toMatchObject({ status: 0 });
    expect((await post("/i", SMALL, "-t", "application/senml+cbor")).output).toContain("4.15");
  });

  test("a second in a row is a second frame: each run has its own Message-IDs and port", async () => {
    await post("/i", SMALL, "-t", "112");
    await post("/i", SMALL, "-t", "112");
    expect(taken).toHaveLength(2);
  });
});
