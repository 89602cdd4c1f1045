import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runInProcess } from "@paddock/base/testing/in-process.ts";
import { collectorCommand } from "./collector-command.ts";

let directory: string;
let socket: string;
let server: Server;
let asked: string;
let answer: unknown;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-last-"));
  socket = join(directory, "operator.sock");
  server = createServer((request, response) => {
    asked = request.url!;
    response.end(JSON.stringify(answer));
  }).listen(socket);
  await once(server, "listening");
});
afterAll(async () => {
  server.close();
  await rm(directory, { recursive: true, force: true });
});

const last = (...argv: string[]) => runInProcess(collectorCommand, ["last", "--socket", socket, ...argv]);

const reading = {
  gateway: "07".repeat(32),
  sensor: "barn",
  name: "t",
  kind: "number",
  value: 21.5,
  exact: null,
  whyNoNumber: null,
  unit: "Cel",
  time: "2025-10-09T08:53:20.000000Z",
  timeBy: "sensor",
  clock: "synchronised",
  ageS: 90,
  offset: 3,
  part: 1,
};
const report = { values: [reading], next: null, tier: "memory", offset: 7, behind: 0, complete: true, notes: [] };

test("prints a line for each reading", async () => {
  answer = report;
  expect(await last("--sensor", "barn", "--name", "a b*")).toMatchObject({
    code: 0,
    stdout:
      "070707070707  barn  t  21.5 Cel  2025-10-09T08:53:20.000000Z (sensor, synchronised; 1 min 30 s ago)  offset 3, part 1\n",
  });
  expect(asked).toBe("/v1/last?sensor=barn&name=a+b*");
  const others = [
    { ...reading, kind: "text", value: "it's\u001b[31m", unit: null, ageS: -5 },
    { ...reading, kind: "none", value: null },
    { ...reading, value: 2 ** 53, exact: "9007199254740993" },
    { ...reading, value: null, whyNoNumber: "nan" },
    { ...reading, kind: "boolean", value: false },
  ];
  answer = { ...report, values: others, tier: "redis", behind: 3, next: "k'y", notes: ["a note"] };
  const { stdout } = await last();
  expect(stdout).not.toContain("\u001b");
  for (const text of ["ahead of this clock", "no value", "9007199254740993 Cel", "  nan Cel", "  false"]) {
    expect(stdout).toContain(text);
  }
  expect(stdout).toContain(
    String.raw`From: redis.
3 records of the log are not looked at yet.
a note
next: --after 'k'\''y'`,
  );
});

test("prints JSON, and says when there is none", async () => {
  answer = { ...report, values: [], tier: null };
  expect(await last()).toMatchObject({ code: 1, stdout: "No reading is known.\n" });
  const { code, stdout } = await last("--json");
  expect([code, JSON.parse(stdout)]).toEqual([1, answer]);
  expect(await last("--nam", "x")).toMatchObject({ code: 2, stderr: expect.stringMatching(/USAGE/u) as string });
});
