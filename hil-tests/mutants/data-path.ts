/**
 * The code between a received frame and a trimmed batch: what decides whether a reading is acknowledged, kept, believed
 * or deleted. A name that ends with a slash is a folder with its `.ts` files.
 */
export const DATA_PATH: readonly string[] = [
  ...["frame-post", "admission", "sensors", "replay-guard", "duplicate-ring", "exchange", "exchange-memory"].map(
    (name) => `gateway/ingest/${name}.ts`,
  ),
  ...["answers", "request", "block-transfers"].map((name) => `gateway/ingest/${name}.ts`),
  ...["coap-message", "coap-options", "coap-block", "cose-mac", "cbor-read"].map((name) => `wire/${name}.ts`),
  ...["senml", "senml-fields", "senml-number", "senml-read", "senml-sums"].map((name) => `wire/${name}.ts`),
  ...["senml-scan", "senml-cursor", "senml-values", "senml-labels"].map((name) => `wire/${name}.ts`),
  ...["batch", "batch-header", "record", "receipt", "replay-window", "gateway-record"].map((name) => `wire/${name}.ts`),
  "gateway/commit/",
  "gateway/batch-source.ts",
  ...["append", "append-plan", "chain-state", "store-core", "write-group", "commit-queue"].map(
    (name) => `store/${name}.ts`,
  ),
  ...["release", "eviction-policy", "space-guard", "store-reads", "log-reads", "tail-check"].map(
    (name) => `store/${name}.ts`,
  ),
  ...["forwarder", "upload", "link-sessions", "forward-policy", "forward-plan", "lane-scheduler"].map(
    (name) => `uplink/forward/${name}.ts`,
  ),
  ...["receipt-queue", "collector-link"].map((name) => `uplink/forward/${name}.ts`),
  ...["upload", "receipts", "walk-records", "verify-headers"].map((name) => `collector/ingest/${name}.ts`),
];

/** The part of the mutants of the data path that must die. */
export const DEAD_PART_MIN = 0.9;

/**
 * The listed files among all those of the tree, without tests.
 * @throws Error that names the entry that stands for no file: one that was renamed must not drop out in silence.
 */
export function filesOf(entries: readonly string[], all: readonly string[]): string[] {
  return entries.flatMap((entry) => {
    const inside = (file: string): boolean => file.startsWith(entry) && !file.slice(entry.length).includes("/");
    const found = entry.endsWith("/") ? all.filter((file) => inside(file)) : all.filter((file) => file === entry);
    const code = found.filter((file) => !file.endsWith(".test.ts"));
    if (code.length === 0) throw new Error(`no file of the tree is meant by ${entry}; was it renamed?`);
    return code;
  });
}
