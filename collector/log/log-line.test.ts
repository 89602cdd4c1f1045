import { decode } from "cbor-x";
import { describe, expect, test } from "vitest";
import type { BatchHeader } from "@paddock/wire/batch-header.ts";
import { renderBatch, type LoggedBatch } from "./log-line.ts";

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
