import { decode } from "cbor-x";
import { describe, expect, test } from "vitest";
import type { BatchHeader } from "@paddock/wire/batch-header.ts";
import { renderBatch, renderLoss, type LoggedBatch, type LogLine } from "./log-line.ts";

function logged(payload: Uint8Array | null): LoggedBatch {
  const position = { wall: 1000, clock: 1 } as BatchHeader["position"];
  const decoded = { position } as BatchHeader;
  const chain = { gateway: Buffer.alloc(32), lane: 1, epoch: 0 } as const;
  return { chain, seq: 4, offset: 10, count: 3, received: 2000, payload, decoded };
}

describe("a batch without readable records", () => {
  test.each([
    ["evicted", null],
    ["undecodable", Buffer.from("no records")],
  ] as const)("is one line that says %s, in either format", (word, payload) => {
    const other = word === "evicted" ? "undecodable" : "evicted";
    const text = renderBatch(logged(payload), 0, 10, "ndjson");
    expect(text).toMatchObject({ lines: 1, nextOffset: 13 });
    const line = JSON.parse(text.bytes.toString("utf8")) as Record<string, unknown>;
    expect(line).toMatchObject({ offset: 10, seq: 4, [word]: 3 });
    expect(line).not.toHaveProperty(other);
    expect(line).not.toHaveProperty("frame");
    const map = decode(renderBatch(logged(payload), 0, 10, "cbor").bytes) as Record<string, unknown>;
    expect(map).toMatchObject({ offset: 10, seq: 4, [word]: 3, received: 2000 });
    expect(Object.keys(map)).toHaveLength(9);
    expect(map).not.toHaveProperty(other);
  });
});

function cbor(bytes: Uint8Array): Record<string, unknown> {
  return decode(bytes) as Record<string, unknown>;
}

describe("records that are lost", () => {
  const chain = { gateway: Buffer.alloc(32, 7), lane: 1, epoch: 2 } as const;
  const whose = { lane: "telemetry", epoch: 2, seq: 4 };

  test.each(["header", "rolled-back", "trimmed"] as const)("(%s) are one line, in every format", (lost) => {
    const loss = { offset: 10, count: 3, lost, chain, seq: 4 } as const;
    const text = renderLoss(loss, 11, "ndjson");
    // From inside the loss it is the rest of it.
    expect(text).toMatchObject({ lines: 1, nextOffset: 13 });
    const line = JSON.parse(text.bytes.toString("utf8")) as LogLine;
    const said = { offset: 11, lost: 2, why: lost };
    expect(line).toEqual({ ...said, ...whose, gateway: "07".repeat(32) });
    expect(cbor(renderLoss(loss, 11, "cbor").bytes)).toEqual({ ...said, ...whose, gateway: Buffer.alloc(32, 7) });
  });

  test("of which nothing is known (entry) are one, too", () => {
    const loss = { offset: 10, count: 3, lost: "entry" } as const;
    const said = { offset: 10, lost: 3, why: "entry" };
    expect(JSON.parse(renderLoss(loss, 3, "ndjson").bytes.toString("utf8"))).toEqual(said);
    expect(cbor(renderLoss(loss, 3, "cbor").bytes)).toEqual(said);
  });
});
