import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { testIdentity } from "@paddock/store/testing/sealer.ts";
import { openDirective } from "@paddock/wire/directive.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { askJson } from "../operator/operator-client.ts";
import { CLAIM, TestCollector } from "../testing/test-collector.ts";
import type { RolloutReport } from "./report.ts";

const gateway = testIdentity(1);
const ID = Buffer.from(gateway.id).toString("hex");
let collector: TestCollector;
beforeEach(async () => {
  collector = await TestCollector.start();
});
afterEach(() => collector.end());

const directive = (id = ID) => collector.client().ask({ path: `/v1/directives/${id}` });
const post = (path: string, body?: unknown) =>
  askJson<RolloutReport>(collector.socket, { method: "POST", path, ...(body === undefined ? {} : { body }) });

describe("directives for a gateway", () => {
  test("are signed for it, survive a restart, and are given out while the rollout runs", async () => {
    await collector.enrol(gateway, { claim: CLAIM });
    expect((await directive()).status).toBe(204);
    await post("/v1/rollout", { document: '{"log":{"level":"warn"}}' });
    const given = await directive();
    expect(given.status).toBe(200);
    const opened = expectAccepted(openDirective(given.body, collector.identity.publicKey));
    expect(opened).toMatchObject({
      gateway: gateway.id,
      body: { kind: "config", document: '{"log":{"level":"warn"}}' },
    });

    await collector.restart();
    expect((await directive()).body).toEqual(given.body);
    await post("/v1/rollout/pause");
    expect((await directive()).status).toBe(204);
    await post("/v1/rollout/resume");
    expect((await directive()).status).toBe(200);
    await post("/v1/rollout/stop");
    expect((await directive()).status).toBe(204);

    // The next one is later and above.
    await post("/v1/rollout", { document: "{}" });
    const next = expectAccepted(openDirective((await directive()).body, collector.identity.publicKey));
    expect(next.issued).toBeGreaterThan(opened.issued);
    expect(
      next.body.kind === "config" && opened.body.kind === "config" && next.body.revision > opened.body.revision,
    ).toBe(true);
    expect(next.id).not.toEqual(opened.id);
  });

  test("are for those alone who show the gateway's key, and not for one that waits or asks without end", async () => {
    expect((await directive()).status).toBe(403);
    await collector.enrol(gateway);
    expect((await directive()).status).toBe(403);
    const other = testIdentity(2);
    await collector.enrol(other, { claim: CLAIM });
    const client = collector.client();
    const otherPath = `/v1/directives/${Buffer.from(other.id).toString("hex")}`;
    const statuses: number[] = [];
    while (statuses.at(-1) !== 429 && statuses.length < 1000)
      statuses.push((await client.ask({ path: otherPath })).status);
    expect(statuses[0]).toBe(204);
    expect(statuses.at(-1)).toBe(429);
  });
});

test.each([
  [{}, "a document or a release"],
  [{ document: "{}", release: { url: "https://x/", version: "1.0.0", manifestSha256: "0".repeat(64) } }, "one of them"],
  [{ document: "[]" }, "no JSON object"],
  [{ document: '{"a":1,"a":2}' }, "document is not valid"],
  [{ document: JSON.stringify({ collector: { publicKey: "x" } }) }, "collector.publicKey: no rollout may change this"],
  [{ document: JSON.stringify({ log: "x".repeat(17_000) }) }, "more than 16384 bytes"],
  [{ document: "{}", rings: "3,1" }, "rings are such as"],
  [{ document: "{}", gateways: ["00000000"] }, "no approved gateway begins with 00000000"],
])("an order %j is refused", async (order, why) => {
  for (const seed of [1, 3, 4]) {
    const one = testIdentity(seed);
    await collector.enrol(one);
    await post(`/v1/gateways/${Buffer.from(one.id).toString("hex")}/approve`);
  }
  await expect(post("/v1/rollout", { rings: "1", ...order })).rejects.toThrow(why);
  expect(await askJson(collector.socket, { path: "/v1/rollout" })).toBeNull();
});

test("a damaged file is set aside: the collector starts, and nothing is under way", async () => {
  await collector.whileStopped((directory) => writeFile(join(directory, "rollout.json"), "{"));
  expect(await askJson(collector.socket, { path: "/v1/rollout" })).toBeNull();
});
