import { expect, test } from "vitest";
import { acceptedFormat } from "./accept.ts";

test.each([
  ["*/*", "ndjson"],
  ["application/*", "ndjson"],
  ["application/cbor-seq", "cbor"],
  ["application/x-ndjson", "ndjson"],
  ["application/x-ndjson, application/cbor-seq;q=0", "ndjson"],
  ["*/*, application/x-ndjson;q=0", "cbor"],
  ["application/x-ndjson;q=0.5, application/cbor-seq;q=0.9", "cbor"],
  ["Application/CBOR-seq; q=1", "cbor"],
  ["application/vnd.paddock.batches+cbor-seq", "batches"],
  ["*/*;q=0.1, application/vnd.paddock.batches+cbor-seq", "batches"],
  ["*/*;q=0", undefined],
  ["text/html", undefined],
  ["", undefined],
])("Accept: %s gets %s", (header, format) => {
  expect(acceptedFormat(header)).toBe(format);
});
