import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { createInterface } from "node:readline";
import { stat } from "node:fs/promises";
import { Decoder, type Options } from "cbor-x";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Sealer, testIdentity, testPayload } from "@paddock/store/testing/sealer.ts";
import { encodeGatewayRecord } from "@paddock/wire/gateway-record.ts";
import { encodeSource, FORMAT_GATEWAY, recordSize, writeRecord } from "@paddock/wire/record.ts";
import { hexOf } from "../chain-name.ts";
import type { GatewayReport } from "../fleet/fleet-report.ts";
import type { Gap } from "../fleet/missing.ts";
import type { Consumer } from "../log/consumers.ts";
import type { LogLine } from "../log/senml-lines.ts";
import type { GatewayClient } from "../testing/gateway-client.ts";
import { CLAIM, TestCollector } from "../testing/test-collector.ts";
import { ask, askJson, askStream, type OperatorRequest } from "./operator-client.ts";

let collector: TestCollector;
let client: GatewayClient;
let sealer: Sealer;

beforeEach(async () => {
  collector = await TestCollector.start({ operator: { listen: { address: "::1", port: 0 } } });
  sealer = new Sealer({ identity: testIdentity(1) });
  await collector.enrol(sealer.identity, { claim: CLAIM });
  client = collector.client();
});

afterEach(() => collector.end());

const json = <Value>(request: OperatorRequest | string): Promise<Value> =>
  askJson<Value>(collector.socket, typeof request === "string" ? { path: request } : request);
const refusal = (request: OperatorRequest): Promise<unknown> =>
  ask(collector.socket, request).then(
    () => "not refused",
    (error: Error) => error.message,
  );
const gatewayId = (): string => hexOf(sealer.identity.id);

async function logLines(query: string): Promise<LogLine[]> {
  const text = (await ask(collector.socket, { path: `/v1/log?${query}` })).toString("utf8");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as LogLine);
}

/** A payload with one of the gateway's own records. */
function ownPayload(record: Parameters<typeof encodeGatewayRecord>[0]): Buffer {
  const source = encodeSource("paddock");
  const frame = encodeGatewayRecord(record);
  const payload = Buffer.alloc(recordSize(0, source, FORMAT_GATEWAY, frame.length));
  writeRecord(payload, 0, 0, source, FORMAT_GATEWAY, frame);
  return payload;
}

describe("the log", () => {
  test("gives every record in the order of arrival, from any offset, as many as asked for", async () => {
    const batches = sealer.sealMany(4);
    await client.upload(sealer.chain, batches.slice(2));
    await client.upload(sealer.chain, batches.slice(0, 2));
    const lines = await logLines("");
    expect(lines.map(({ offset, seq, index }) => [offset, seq, index])).toEqual([
      [0, 2, 0],
      [1, 3, 0],
      [2, 0, 0],
      [3, 1, 0],
    ]);
    expect(lines[2]).toMatchObject({
      gateway: gatewayId(),
      lane: "telemetry",
      epoch: 0,
      source: "mote-0",
      format: 112,
      at: 1_700_000_000_000,
      clock: "synchronised",
      frame: Buffer.alloc(16).toString("base64url"),
    });
    expect((await logLines("from=1&limit=2")).map(({ offset }) => offset)).toEqual([1, 2]);
    expect(await logLines("from=99")).toEqual([]);
  });

  test("starts inside a batch", async () => {
    const payload = Buffer.concat([testPayload(1), testPayload(2), testPayload(3)]);
    await client.upload(sealer.chain, [sealer.seal(payload, 3)]);
    expect((await logLines("from=1")).map(({ offset, index }) => [offset, index])).toEqual([
      [1, 1],
      [2, 2],
    ]);
  });

  test("starts at a time", async () => {
    await client.upload(sealer.chain, sealer.sealMany(1));
    const [line] = await logLines("");
    expect(await logLines(`since=${line!.received}`)).toHaveLength(1);
    expect(await logLines(`since=${new Date(line!.received + 60_000).toISOString()}`)).toEqual([]);
    expect(await refusal({ path: "/v1/log?since=yesterday" })).toMatch(/no time/u);
  });

  test("shows an evicted batch as one line that takes all its offsets", async () => {
    const payload = Buffer.concat([testPayload(1), testPayload(2)]);
    const { header } = sealer.seal(payload, 2);
    await client.upload(sealer.chain, [{ header, payload: null }, sealer.seal()]);
    const lines = await logLines("");
    expect(lines.map(({ offset, evicted, frame }) => [offset, evicted, frame === undefined])).toEqual([
      [0, 2, true],
      [2, undefined, false],
    ]);
  });

  test("as a CBOR sequence holds the same", async () => {
    await client.upload(sealer.chain, sealer.sealMany(3));
    const bytes = await ask(collector.socket, { path: "/v1/log", accept: "application/cbor-seq" });
    const maps = new Decoder({ int64AsNumber: true, mapsAsObjects: true, useRecords: false } as Options).decodeMultiple(
      bytes,
    ) as unknown as (Omit<LogLine, "frame" | "gateway"> & Record<"frame" | "gateway", Uint8Array>)[];
    const plain = maps.map((map) =>
      Object.assign(map, { frame: Buffer.from(map.frame).toString("base64url"), gateway: hexOf(map.gateway) }),
    );
    expect(plain).toEqual(await logLines(""));
  });

  test("followed, goes on with what arrives, and ends when the collector does", async () => {
    await client.upload(sealer.chain, sealer.sealMany(1));
    const answer: IncomingMessage = await askStream(collector.socket, { path: "/v1/log?follow=1" });
    const seen: number[] = [];
    const lines = createInterface({ input: answer });
    lines.on("line", (line) => seen.push((JSON.parse(line) as LogLine).offset));
    await once(lines, "line");
    await client.upload(sealer.chain, sealer.sealMany(2));
    while (seen.length < 3) await once(lines, "line");
    expect(seen).toEqual([0, 1, 2]);
    const ended = once(answer, "close");
    await collector.restart();
    await ended;
  });
});

const put = (body: unknown): OperatorRequest => ({ method: "PUT", path: "/v1/consumers/lake", body });

describe("consumers", () => {
  test("keep their place over a restart, and go back only on purpose", async () => {
    await client.upload(sealer.chain, sealer.sealMany(5));
    expect(await json<Consumer>(put({ offset: 4 }))).toMatchObject({ name: "lake", offset: 4 });
    expect(await refusal(put({ offset: 2 }))).toMatch(/409.*rewind/u);
    expect(await refusal(put({ offset: 6 }))).toMatch(/400.*beyond the end/u);
    expect(await refusal(put({ offset: "x" }))).toMatch(/400/u);
    await collector.restart();
    expect(await json<Consumer>("/v1/consumers/lake")).toMatchObject({ offset: 4 });
    expect(await json<Consumer>(put({ offset: 2, rewind: true }))).toMatchObject({ offset: 2 });
    expect(await json<Consumer[]>("/v1/consumers")).toHaveLength(1);
  });

  test("have names that are fit for a file", async () => {
    for (const name of ["..", ".x", "A", "x".repeat(65)]) {
      expect(await refusal({ method: "PUT", path: `/v1/consumers/${name}`, body: { offset: 0 } })).toMatch(/refuses/u);
    }
    expect(await refusal({ path: "/v1/consumers/nobody" })).toMatch(/404/u);
  });
});

const fleet = async (): Promise<GatewayReport[]> => (await json<{ gateways: GatewayReport[] }>("/v1/fleet")).gateways;

describe("the fleet", () => {
  test("says that all is here", async () => {
    await client.upload(sealer.chain, sealer.sealMany(3), { "paddock-path": "fibre" });
    const [report] = await fleet();
    expect(report).toMatchObject({
      id: gatewayId(),
      label: "claimed",
      state: "approved",
      severity: "ok",
      verdict: "All here, without a gap.",
    });
    expect(report!.chains).toMatchObject([
      { lane: "telemetry", batches: 3, records: 3, linked: 3, missing: 0, clock: "synchronised", path: "fibre" },
    ]);
    await collector.restart();
    expect((await fleet())[0]!.chains).toMatchObject([{ path: "fibre", clock: "synchronised" }]);
  });

  test("shows missing, evicted and told losses, and gaps says why", async () => {
    const batches = sealer.sealMany(6);
    const bare = (at: number) => ({ header: batches[at]!.header, payload: null });
    const loss = sealer.seal(
      ownPayload({ kind: "loss", reason: "evicted", epoch: 0, ranges: [[0, 0]], records: 1, bytes: 30 }),
    );
    await client.upload(sealer.chain, [bare(0), bare(1), batches[2]!, batches[4]!, batches[5]!, loss]);
    for (let round = 0; round < 2; round++) {
      const gaps = await json<Gap[]>(`/v1/gaps?gateway=${gatewayId()}`);
      expect(gaps.map(({ cause, reason, ranges }) => [cause, reason, ranges])).toEqual([
        ["never-received", null, [[3, 3]]],
        ["evicted", "evicted", [[0, 0]]],
        ["unexplained", null, [[1, 1]]],
      ]);
      const [report] = await fleet();
      expect(report!.severity).toBe("attention");
      expect(report!.chains).toMatchObject([
        { missing: 1, evicted: 2, unexplained: 1, lossRecords: 1, lostRecords: 1 },
      ]);
      await collector.restart();
    }
  });

  test("keeps a gateway that forked visible, worst of all, also after a restart", async () => {
    const [a, b] = sealer.sealMany(2);
    const twin = new Sealer({ identity: sealer.identity, seq: 1, previous: a!.hash }).seal(testPayload(77));
    await client.upload(sealer.chain, [a!, b!]);
    await client.upload(sealer.chain, [twin]);
    await collector.enrol(testIdentity(2));
    for (let round = 0; round < 2; round++) {
      const reports = await fleet();
      expect(reports.map(({ severity }) => severity)).toEqual(["broken", "waiting"]);
      expect(reports[0]!.forks).toMatchObject([{ kind: "fork", lane: "telemetry", epoch: 0, seq: 1 }]);
      await collector.restart();
    }
  });
});

const decide = (part: string, what: string) =>
  json<{ state: string }>({ method: "POST", path: `/v1/gateways/${part}/${what}` });

describe("approval", () => {
  test("lets a gateway in or out, by id or a part of it", async () => {
    const waiting = new Sealer({ identity: testIdentity(5) });
    await collector.enrol(waiting.identity);
    const id = hexOf(waiting.identity.id);
    expect(await decide(id.slice(0, 8), "approve")).toMatchObject({ id, state: "approved" });
    expect((await client.upload(waiting.chain, waiting.sealMany(1))).status).toBe(200);
    expect(await decide(id, "deny")).toMatchObject({ state: "denied" });
    expect((await client.upload(waiting.chain, waiting.sealMany(1))).json().error).toBe("denied");
    expect((await collector.enrol(waiting.identity)).status).toBe(403);
    expect(await refusal({ method: "POST", path: "/v1/gateways/00000000/approve" })).toMatch(/404/u);
  });
});

describe("the listeners", () => {
  test("the socket is the operator's alone", async () => {
    expect((await stat(collector.socket)).mode & 0o777).toBe(0o600);
  });

  test("metrics are OpenMetrics", async () => {
    await client.upload(sealer.chain, sealer.sealMany(3));
    const text = (await ask(collector.socket, { path: "/metrics" })).toString("utf8");
    expect(text).toContain('paddock_collector_uploads_total{result="taken"} 1');
    expect(text).toContain("paddock_collector_records_total 3");
    expect(text.endsWith("# EOF\n")).toBe(true);
  });

  test("loopback answers, but not to a foreign page", async () => {
    const { port } = collector.collector.operator.address!;
    const origin = `http://[::1]:${port}`;
    expect((await fetch(`${origin}/healthz`)).status).toBe(200);
    expect((await fetch(`${origin}/v1/fleet`, { headers: { origin: "https://example.org" } })).status).toBe(403);
    expect((await fetch(`${origin}/nothing`)).status).toBe(404);
  });
});
