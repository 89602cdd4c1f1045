import { cp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Sealer, testIdentity } from "@paddock/store/testing/sealer.ts";
import { ask, askJson, askStream, type OperatorRequest } from "../operator/operator-client.ts";
import { CLAIM, TestCollector } from "../testing/test-collector.ts";
import type { Consumer } from "./consumers.ts";
import type { LogLine } from "./log-line.ts";

let collector: TestCollector;
let sealer: Sealer;

beforeEach(async () => {
  collector = await TestCollector.start();
  sealer = new Sealer({ identity: testIdentity(1) });
  await collector.enrol(sealer.identity, { claim: CLAIM });
});

afterEach(() => collector.end());

const upload = (batches: number) => collector.client().upload(sealer.chain, sealer.sealMany(batches));
const place = (body: unknown): OperatorRequest => ({ method: "PUT", path: "/v1/consumers/lake", body });
const put = (body: unknown): Promise<Consumer> => askJson<Consumer>(collector.socket, place(body));
const refusal = (asked: OperatorRequest): Promise<string> =>
  ask(collector.socket, asked).then(
    () => "not refused",
    (error: Error) => error.message,
  );
const read = async (query: string): Promise<LogLine[]> =>
  (await ask(collector.socket, { path: `/v1/log?${query}` }))
    .toString("utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as LogLine);
const nameOfLog = async (): Promise<string> => {
  const answer = await askStream(collector.socket, { path: "/v1/log?limit=0" });
  answer.resume();
  return String(answer.headers["paddock-log"]);
};

const backup = (): Promise<void> =>
  collector.whileStopped((directory) => cp(join(directory, "ledger"), join(directory, "copy"), { recursive: true }));
const putBack = (): Promise<void> =>
  collector.whileStopped(async (directory) => {
    await rm(join(directory, "ledger"), { recursive: true });
    await rename(join(directory, "copy"), join(directory, "ledger"));
  });

test("the log has a name, which a reader may insist on and a consumer remembers", async () => {
  await upload(3);
  const name = await nameOfLog();
  expect(name).toMatch(/^[0-9a-f]{32}$/u);
  expect(await put({ offset: 2, log: name })).toMatchObject({ offset: 2, log: name });
  await collector.restart();
  expect(await nameOfLog()).toBe(name);
  expect(await read(`from=1&log=${name}`)).toHaveLength(2);
  const other = "0".repeat(32);
  expect(await refusal({ path: `/v1/log?from=1&log=${other}` })).toMatch(
    /416.*offset 1 of log 0000.*begin at offset 0/u,
  );
  expect(await refusal(place({ offset: 3, log: other }))).toMatch(/416.*log 0000/u);
  expect(await refusal({ path: "/v1/log?log=x" })).toMatch(/400.*32 hex digits/u);
});

test("a consumer that comes back to a log made anew is told, and goes on when it says so", async () => {
  await upload(3);
  await put({ offset: 3 });
  await collector.whileStopped((directory) => rm(join(directory, "ledger"), { recursive: true }));
  await upload(4);
  expect(await refusal({ path: "/v1/log?consumer=lake" })).toMatch(
    /416.*lake is at offset 3 of log.*made anew.*offset 0/u,
  );
  expect(await refusal(place({ offset: 4 }))).toMatch(/416.*made anew/u);
  await put({ offset: 0, rewind: true });
  expect(await read("consumer=lake")).toHaveLength(4);
});

test("a ledger put back in time is noticed, also when it has grown past the consumer's place since", async () => {
  await upload(3);
  await backup();
  await upload(4);
  await put({ offset: 5 });
  expect(await read("consumer=lake")).toHaveLength(2);
  await putBack();
  expect(await refusal({ path: "/v1/log?consumer=lake" })).toMatch(
    /416.*lake is at offset 5, beyond the end of the log, 3.*offset 3/u,
  );
  const [kept] = await askJson<(Consumer & { problem?: string })[]>(collector.socket, { path: "/v1/consumers" });
  expect(kept).toMatchObject({ offset: 5, problem: expect.stringMatching(/put back in time/u) as string });
  await upload(6);
  expect(await refusal({ path: "/v1/log?consumer=lake" })).toMatch(
    /416.*lake is at offset 5.*has grown since.*offset 3/u,
  );
  expect(await refusal(place({ offset: 9 }))).toMatch(/416.*has grown since/u);
  await put({ offset: 3, rewind: true });
  expect((await read("consumer=lake")).map(({ offset }) => offset)).toEqual([3, 4, 5, 6, 7, 8]);
});
