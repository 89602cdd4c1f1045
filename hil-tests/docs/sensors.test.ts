import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { systemClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { Ingest } from "@paddock/gateway/ingest/ingest.ts";
import { Sensors } from "@paddock/gateway/ingest/sensors.ts";
import { UdpListeners } from "@paddock/gateway/ingest/udp-listener.ts";
import { resolveSenml } from "@paddock/wire/senml-read.ts";
import { codeBlock } from "./code-block.ts";

/** The examples of docs/sensors.md, as they stand there, against a real listener. */

let directory = "";
let listeners: UdpListeners;
let port = "";
const taken: Buffer[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-sensors-"));
  const ingest = new Ingest({
    sink: {
      submit({ frame }, committed) {
        taken.push(Buffer.from(frame));
        committed?.(undefined);
        return undefined;
      },
    },
    sensors: new Sensors({ unknown: "accept" }),
    clock: systemClock,
  });
  const listen = [{ address: "::1", port: 0 }];
  listeners = await UdpListeners.open({ ingest, clock: systemClock, log: silentLog, listen });
  port = String(listeners.addresses()[0]!.port);
});

afterAll(async () => {
  await listeners?.close();
  if (directory !== "") await rm(directory, { recursive: true });
});

beforeEach(() => void taken.splice(0));

interface Ran {
  readonly status: number | string;
  readonly output: string;
}

async function run(command: string, ...args: string[]): Promise<Ran> {
  return await new Promise((resolve) => {
    execFile(command, args, { timeout: 25_000 }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : (error.code ?? "killed"), output: stdout + stderr });
    });
  });
}

async function save(name: string, language: string): Promise<string> {
  const page = await readFile(new URL("../../docs/sensors.md", import.meta.url), "utf8");
  const file = join(directory, name);
  await writeFile(file, codeBlock(page, language));
  return file;
}

function expectTaken({ status, output }: Ran): void {
  expect(output).toContain("2.04");
  expect(status).toBe(0);
  expect(taken).toHaveLength(1);
  expect(resolveSenml(taken[0]!, { now: 1 })).toMatchObject({
    ok: true,
    value: [{ name: "barn:temp", unit: "Cel", value: 21.5 }],
  });
}

test("Node", async () => {
  expectTaken(await run(process.execPath, await save("first-frame.mjs", "js"), "::1", port));
});

test("Python", async (context) => {
  const ran = await run("python3", await save("first_frame.py", "python"), "::1", port);
  if (ran.status === "ENOENT") context.skip("python3 is missing: apt-get install python3");
  expectTaken(ran);
});

test("C", async (context) => {
  const source = await save("first-frame.c", "c");
  const program = join(directory, "first-frame");
  const compiled = await run("cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-o", program, source);
  if (compiled.status === "ENOENT") context.skip("cc is missing: apt-get install gcc libc6-dev");
  expect(compiled).toEqual({ status: 0, output: "" });
  expectTaken(await run(program, "::1", port));
});

test("the bytes that the page explains are the ones of the C example", async () => {
  const page = await readFile(new URL("../../docs/sensors.md", import.meta.url), "utf8");
  const hex = [...codeBlock(page, "text").matchAll(/^ *((?:[0-9a-f]{2,} ?)+) {2,}/gmu)]
    .map(([, bytes]) => bytes)
    .join("");
  expect(resolveSenml(Buffer.from(hex.replaceAll(" ", ""), "hex"), { now: 1 })).toMatchObject({
    value: [{ name: "barn:temp", unit: "Cel", value: 21.5 }],
  });
});
