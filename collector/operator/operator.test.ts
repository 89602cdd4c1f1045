import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { createInterface } from "node:readline";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Decoder, type Options } from "cbor-x";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Sealer, testIdentity, testPayload } from "@paddock/store/testing/sealer.ts";
import { encodeGatewayRecord } from "@paddock/wire/gateway-record.ts";
import { encodeSource, FORMAT_GATEWAY, recordSize, writeRecord } from "@paddock/wire/record.ts";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { hexOf } from "../chain-name.ts";
import type { GatewayReport } from "../fleet/fleet-report.ts";
import type { Gap } from "../fleet/missing.ts";
import type { Consumer } from "../log/consumers.ts";
import { ItemSplitter } from "../log/log-items.ts";
import { markOf } from "../log/log-place.ts";
import type { LogLine } from "../log/log-line.ts";
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

const json = <Value>(asked: OperatorRequest | string): Promise<Value> =>
  askJson<Value>(collector.socket, typeof asked === "string" ? { path: asked } : asked);
const refusal = (asked: OperatorRequest): Promise<unknown> =>
  ask(collector.socket, asked).then(
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
    expect(await logLines("from=4")).toEqual([]);
    expect(await refusal({ path: "/v1/log?from=99" })).toMatch(/416.*beyond the end of the log, 4/u);
    expect(await refusal({ path: "/v1/log?from=1&since=0" })).toMatch(/400.*name one/u);
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
    for (const time of ["yesterday", "2026-02-31T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00+24:00"]) {
      expect(await refusal({ path: `/v1/log?since=${encodeURIComponent(time)}` })).toMatch(/no time/u);
    }
    expect(await logLines(`since=${encodeURIComponent("2024-02-29T23:59:59.5+01:00")}`)).toHaveLength(1);
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

  test("as whole batches holds the bytes that were sealed", async () => {
    const batches = sealer.sealMany(20);
    await client.upload(sealer.chain, batches);
    const accept = "application/vnd.paddock.batches+cbor-seq";
    const read = async (query: string) =>
      expectAccepted(new ItemSplitter().take(await ask(collector.socket, { path: `/v1/log?${query}`, accept })));
    const found = await read("");
    expect(found.map((item) => item.lost === undefined && [item.offset, item.seq, item.payload, item.header])).toEqual(
      batches.map(({ seq, payload, header }) => [seq, seq, payload, header]),
    );
    expect((await read("from=3&limit=2")).map(({ offset }) => offset)).toEqual([3, 4]);
    expect(await read("from=20")).toEqual([]);
  });

  test("knows a place by what stands behind it", async () => {
    await client.upload(sealer.chain, sealer.sealMany(3));
    const accept = "application/vnd.paddock.batches+cbor-seq";
    const bytes = await ask(collector.socket, { path: "/v1/log?limit=2", accept });
    const behind = markOf(expectAccepted(new ItemSplitter().take(bytes)).at(-1)!);
    expect(await logLines(`from=2&behind=${behind}`)).toHaveLength(1);
    expect(await refusal({ path: `/v1/log?from=1&behind=${behind}&updated=0` })).toMatch(/416.*begins at offset 0/u);
    expect(await refusal({ path: "/v1/log?behind=x" })).toMatch(/400.*behind/u);
  });

  test("followed, goes on with what arrives, and ends when the collector does", async () => {
    await client.upload(sealer.chain, sealer.sealMany(1));
    const answer: IncomingMessage = await askStream(collector.socket, { path: "/v1/log?follow=1" });
    const seen: number[] = [];
    answer.on("error", () => {});
    const lines = createInterface({ input: answer });
    lines.on("error", () => {});
    lines.on("line", (line) => seen.push((JSON.parse(line) as LogLine).offset));
    await once(lines, "line");
    await client.upload(sealer.chain, sealer.sealMany(2));
    while (seen.length < 3) await once(lines, "line");
    expect(seen).toEqual([0, 1, 2]);
    // Not as a whole one ends: more would have come.
    const ended = new Promise((resolve) => void answer.once("close", resolve));
    await collector.restart();
    await ended;
    expect(answer.complete).toBe(false);
  });
});

const put = (body: unknown): OperatorRequest => ({ method: "PUT", path: "/v1/consumers/lake", body });

describe("consumers", () => {
  test("keep their place over a restart, and go back only on purpose", async () => {
    await client.upload(sealer.chain, sealer.sealMany(5));
    expect(await json<Consumer>(put({ offset: 4 }))).toMatchObject({ name: "lake", offset: 4 });
    expect(await refusal(put({ offset: 2 }))).toMatch(/409.*rewind.*overtaken.*a name of its own/u);
    expect(await refusal(put({ offset: 6 }))).toMatch(/400.*beyond the end/u);
    expect(await refusal(put({ offset: "x" }))).toMatch(/400/u);
    expect((await logLines("consumer=lake")).map(({ offset }) => offset)).toEqual([4]);
    expect(await refusal({ path: "/v1/log?consumer=nobody" })).toMatch(/404/u);
    await collector.restart();
    expect(await json<Consumer>("/v1/consumers/lake")).toMatchObject({ offset: 4, lag: 1 });
    expect(await json<Consumer>(put({ offset: 2, rewind: true }))).toMatchObject({ offset: 2 });
    expect(await json<Consumer[]>("/v1/consumers")).toHaveLength(1);
    await json({ method: "DELETE", path: "/v1/consumers/lake" });
    await collector.restart();
    expect(await json<Consumer[]>("/v1/consumers")).toEqual([]);
    expect(await refusal({ method: "DELETE", path: "/v1/consumers/lake" })).toMatch(/404/u);
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
    // Looked into and closed it is no alarm any more, and still there.
    const [{ id }] = await json<[{ id: string }]>("/v1/evidence");
    expect(await refusal({ method: "POST", path: `/v1/evidence/${id}/close`, body: { why: " " } })).toMatch(/400/u);
    expect(await refusal({ method: "POST", path: "/v1/evidence/other/close", body: { why: "x" } })).toMatch(/404/u);
    await json({ method: "POST", path: `/v1/evidence/${id}/close`, body: { why: "two devices, one card" } });
    for (let round = 0; round < 2; round++) {
      const forked = (await fleet()).find(({ id: gateway }) => gateway === gatewayId());
      expect(forked).toMatchObject({ severity: "ok", forks: [{ id, closed: { why: "two devices, one card" } }] });
      await collector.restart();
    }
  });
});

const remove = (id: string): OperatorRequest => ({ method: "DELETE", path: `/v1/gateways/${id}` });
const decide = (part: string, what: string) =>
  json<{ state: string }>({ method: "POST", path: `/v1/gateways/${part}/${what}` });

describe("approval", () => {
  test("the gateways are listed by id, label and state", async () => {
    expect(await json("/v1/gateways")).toEqual([{ id: gatewayId(), label: "claimed", state: "approved" }]);
  });

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

  test("forgets a gateway that handed nothing in, and no other", async () => {
    const stray = testIdentity(6);
    await collector.enrol(stray);
    expect(await json(remove(hexOf(stray.id)))).toMatchObject({ state: "removed" });
    expect(await refusal(remove(hexOf(stray.id)))).toMatch(/404/u);
    await collector.restart();
    expect(await fleet()).toHaveLength(1);
    expect(await refusal(remove(gatewayId()))).toMatch(/409.*deny it first/u);
    client = collector.client();
    await client.upload(sealer.chain, sealer.sealMany(1));
    await decide(gatewayId(), "deny");
    expect(await refusal(remove(gatewayId()))).toMatch(/409.*has batches/u);
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

  test("loopback answers who shows the token, and no foreign page", async () => {
    const path = join(collector.directory, "operator-token");
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const token = (await readFile(path, "utf8")).trim();
    const { port } = collector.collector.operator.address!;
    const status = async (where: string, headers: Record<string, string> = {}, method = "GET"): Promise<number> => {
      const asked = request({ host: "::1", port, path: where, method, headers });
      const [answer] = (await once(asked.end(), "response")) as [IncomingMessage];
      answer.resume();
      return answer.statusCode!;
    };
    const shown = { authorization: `Bearer ${token}` };
    expect(await status("/healthz")).toBe(200);
    expect(await status("/v1/fleet")).toBe(401);
    expect(await status(`/v1/gateways/${gatewayId()}/deny`, {}, "POST")).toBe(401);
    for (const wrong of ["Bearer ", `Basic ${token}`, `Bearer ${token.slice(1)}`, `Bearer ${token}0`]) {
      expect(await status("/v1/fleet", { authorization: wrong })).toBe(401);
    }
    expect(await status("/v1/fleet", shown)).toBe(200);
    expect(await status("/v1/fleet", { ...shown, origin: "https://example.org" })).toBe(403);
    expect(await status("/v1/log", { ...shown, "sec-fetch-site": "cross-site" })).toBe(403);
    expect(await status("/nothing", shown)).toBe(404);
    expect(await status("//", shown)).toBe(400);
    expect(await status("//[", shown)).toBe(400);
    // The token stays; a damaged one is set aside and made again.
    await collector.restart();
    expect((await readFile(path, "utf8")).trim()).toBe(token);
    await collector.whileStopped(() => writeFile(path, "short"));
    expect((await readFile(path, "utf8")).trim()).toMatch(/^[0-9a-f]{64}$/u);
  });
});
