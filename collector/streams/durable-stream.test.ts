import { request, type IncomingMessage } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { until } from "@paddock/base/testing/until.ts";
import { Sealer, testIdentity } from "@paddock/store/testing/sealer.ts";
import type { LogLine } from "../log/log-line.ts";
import { ask } from "../operator/operator-client.ts";
import type { GatewayClient } from "../testing/gateway-client.ts";
import { CLAIM, TestCollector } from "../testing/test-collector.ts";

let collector: TestCollector;
let client: GatewayClient;
let sealer: Sealer;

beforeEach(async () => {
  collector = await TestCollector.start({ limits: { maxFollowers: 1 } });
  sealer = new Sealer({ identity: testIdentity(1) });
  await collector.enrol(sealer.identity, { claim: CLAIM });
  client = collector.client();
});
afterEach(() => collector.end());

interface Read {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

function open(query: string, method = "GET", headers: Record<string, string> = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const path = `/v1/streams/log${query}`;
    request({ socketPath: collector.socket, path, method, headers, agent: false }, resolve).on("error", reject).end();
  });
}

async function read(query: string, method = "GET", headers: Record<string, string> = {}): Promise<Read> {
  const answer = await open(query, method, headers);
  let body = "";
  for await (const piece of answer.setEncoding("utf8") as AsyncIterable<string>) body += piece;
  return { status: answer.statusCode!, headers: answer.headers, body };
}

const offsets = ({ body }: Pick<Read, "body">) => (JSON.parse(body) as LogLine[]).map(({ offset }) => offset);
const nextOf = ({ headers }: Pick<Read, "headers">) => String(headers["stream-next-offset"]);

async function metric(name: string): Promise<number> {
  const text = (await ask(collector.socket, { path: "/metrics" })).toString("utf8");
  return Number(new RegExp(`^paddock_collector_${name} (\\d+)$`, "mu").exec(text)![1]);
}

describe("the log by the Durable Streams protocol", () => {
  test("is the lines of /v1/log, from where a reader was, up to the end", async () => {
    await client.upload(sealer.chain, sealer.sealMany(3));
    const first = await read("");
    expect(first).toMatchObject({
      status: 200,
      headers: { "content-type": "application/json", "stream-up-to-date": "true", "x-content-type-options": "nosniff" },
    });
    const lines = (await ask(collector.socket, { path: "/v1/log" })).toString("utf8").trimEnd().split("\n");
    expect(JSON.parse(first.body)).toEqual(lines.map((line) => JSON.parse(line) as unknown));
    expect(await read(`?offset=${nextOf(first)}`)).toMatchObject({ status: 200, body: "[]" });
    await client.upload(sealer.chain, sealer.sealMany(2));
    expect(offsets(await read(`?offset=${nextOf(first)}`))).toEqual([3, 4]);
    expect(await read("?offset=now")).toMatchObject({ body: "[]", headers: { "cache-control": "no-store" } });
    expect(nextOf(await read("?offset=now"))).toBe(nextOf(await read("", "HEAD")));
  });

  test("comes in bounded pieces, and the last says that it is the last", async () => {
    for (let count = 0; count < 8; count++) await client.upload(sealer.chain, sealer.sealMany(4, 60_000));
    let piece = await read("");
    expect(piece.headers["stream-up-to-date"]).toBeUndefined();
    expect(piece.body.length).toBeLessThan(1_500_000);
    const seen = offsets(piece);
    while (piece.headers["stream-up-to-date"] === undefined) {
      piece = await read(`?offset=${nextOf(piece)}`);
      seen.push(...offsets(piece));
    }
    expect(seen).toEqual(Array.from({ length: 32 }, (_, offset) => offset));
  });

  test("is not sent again to whom has it", async () => {
    await client.upload(sealer.chain, sealer.sealMany(1));
    const { etag } = (await read("")).headers;
    const again = { "if-none-match": String(etag) };
    expect(await read("", "GET", again)).toMatchObject({ status: 304, body: "" });
    await client.upload(sealer.chain, sealer.sealMany(1));
    expect((await read("", "GET", again)).status).toBe(200);
  });

  test("a long poll waits for what arrives", async () => {
    const waiting = read("?offset=now&live=long-poll");
    await until(async () => expect(await metric("followers")).toBe(1));
    // It holds the only place.
    expect((await read("?offset=now&live=long-poll")).status).toBe(503);
    await client.upload(sealer.chain, sealer.sealMany(1));
    const answer = await waiting;
    expect(answer).toMatchObject({
      status: 200,
      headers: { "stream-cursor": expect.stringMatching(/^\d+$/u) as string },
    });
    expect(offsets(answer)).toEqual([0]);
    await until(async () => expect(await metric("followers")).toBe(0));
  });

  test("events follow the log, and a reader that leaves gives its place back", async () => {
    const answer = await open("?offset=-1&live=sse");
    expect(answer.headers["content-type"]).toBe("text/event-stream");
    let text = "";
    answer.setEncoding("utf8").on("data", (piece: string) => (text += piece));
    answer.on("error", () => {});
    await until(() => expect(text).toMatch(/^event: control\ndata:.*"upToDate":true\}\n\n$/u));
    await client.upload(sealer.chain, sealer.sealMany(2));
    await until(() =>
      expect(text).toMatch(/event: data\ndata:\[\{"offset":0,.*\},\ndata:\{"offset":1,.*\}\]\n\nevent: control/u),
    );
    answer.destroy();
    await until(async () => expect(await metric("followers")).toBe(0));
  });

  test("takes nothing, and tells what it does not understand", async () => {
    for (const method of ["PUT", "POST", "DELETE", "PATCH"]) {
      expect(await read("", method)).toMatchObject({ status: 405, headers: { allow: "GET, HEAD" } });
    }
    for (const query of [
      "?offset=7",
      "?offset=",
      "?live=sse",
      "?live=long-poll",
      "?offset=-1&live=yes",
      "?offset=-1&offset=-1",
    ]) {
      expect((await read(query)).status, query).toBe(400);
    }
    const [place, name] = nextOf(await read("")).split("_");
    expect((await read(`?offset=${place}_${"0".repeat(32)}`)).status).toBe(410);
    expect((await read(`?offset=0000000000000009_${name}`)).status).toBe(410);
  });
});
