import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { until } from "@paddock/base/testing/until.ts";
import { CLOCK_UNSET } from "@paddock/wire/batch-header.ts";
import { decodeGatewayRecord, type GatewayRecord } from "@paddock/wire/gateway-record.ts";
import { generateIdentity } from "@paddock/wire/identity.ts";
import { parseGatewayConfig } from "../config.ts";
import { NO_STATE, STICK_ID, withResult, writeState, type UpdateResult } from "../update/state.ts";
import { DirectiveErrand } from "./directive-errand.ts";
import { Directives } from "./directives.ts";

const collector = generateIdentity();
const LONG_MS = 3_600_000;
const ID = "5a".repeat(16);

let directory: string;
let clock: VirtualClock;
let records: GatewayRecord[];
let asked: number;
let errand: DirectiveErrand;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-stick-told-"));
  clock = new VirtualClock();
  records = [];
  asked = 0;
  await start();
});
afterEach(async () => {
  await errand.stop();
  await rm(directory, { recursive: true });
});

/** A gateway as far as it asks for directives and tells what came of them; nothing is ever asked of it. */
async function start(): Promise<void> {
  const own = parseGatewayConfig({
    dataDir: join(directory, "data"),
    collector: { publicKey: Buffer.from(collector.publicKeyRaw).toString("hex") },
    paths: [{ name: "fibre", endpoint: "https://[::1]:1" }],
  });
  const directives = await Directives.open({ own, clock, log: silentLog, updateDir: join(directory, "update") });
  await directives.started();
  errand = new DirectiveErrand({
    directives,
    gateway: Buffer.alloc(32),
    collector: collector.publicKeyRaw,
    forwarder: {
      directive: async () => {
        asked++;
        return undefined;
      },
    },
    sink: {
      submit: ({ frame }, committed) => {
        records.push(expectAccepted(decodeGatewayRecord(frame)));
        committed?.(undefined);
        return undefined;
      },
    },
    clock,
    clockQuality: { quality: () => CLOCK_UNSET },
    log: silentLog,
  });
  errand.start();
}

/** Resolves once the gateway has looked at what is new `times` more times. */
async function looks(times = 1): Promise<void> {
  const wanted = asked + times;
  await until(() => {
    clock.advance(LONG_MS);
    return asked >= wanted;
  });
}

async function results(
  ...all: (Pick<UpdateResult, "id" | "outcome" | "reason"> & { version?: undefined })[]
): Promise<void> {
  const state = all.reduce(
    (before, one) => withResult(before, { kind: "release", version: "1.1.0", at: 0, ...one }),
    NO_STATE,
  );
  await writeState(join(directory, "update"), state);
}

const said = () =>
  records.map((record) => record.kind === "directive" && [Buffer.from(record.id).toString("hex"), record.outcome]);

test("what a stick did is said in the chain, once for each end, with nobody to hear it", async () => {
  await looks();
  expect(records).toEqual([]);
  await results({ id: STICK_ID + ID, outcome: "refused", reason: "older" });
  await looks(2);
  expect(records).toEqual([
    {
      kind: "directive",
      id: Buffer.from(ID, "hex"),
      outcome: "refused",
      subject: "release 1.1.0",
      reason: "by a stick: older",
    },
  ]);
  await results(
    { id: STICK_ID + ID, outcome: "refused", reason: "older" },
    { id: STICK_ID + ID, outcome: "applied", reason: null },
  );
  await looks(3);
  expect(said()).toEqual([
    [ID, "refused"],
    [ID, "applied"],
  ]);
  // A process that starts anew remembers what it said.
  await errand.stop();
  await start();
  await looks(2);
  expect(records).toHaveLength(2);
});

test("of what is not signed no version is said", async () => {
  await results({ id: STICK_ID + ID, outcome: "refused", reason: "not trusted", version: undefined });
  await looks();
  await looks();
  expect(records).toMatchObject([{ subject: "release on a stick" }]);
});

test("what others asked for is theirs to be told, and what is no id is none", async () => {
  await results(
    { id: null, outcome: "applied", reason: null },
    { id: ID, outcome: "applied", reason: null },
    { id: STICK_ID, outcome: "applied", reason: null },
  );
  await looks(2);
  expect(records).toEqual([]);
});

test("of many ends the newest are said, and not again and again", async () => {
  const ids = Array.from({ length: 30 }, (_, index) => index.toString(16).padStart(32, "0"));
  await results(...ids.map((id) => ({ id: STICK_ID + id, outcome: "refused" as const, reason: "" })));
  await looks(10);
  expect(said()).toEqual(ids.slice(-4).map((id) => [id, "refused"]));
});
