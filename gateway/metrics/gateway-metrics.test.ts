import { expect, test } from "vitest";
import { gatewayStatus } from "../testing/status-fixture.ts";
import { gatewayMetrics } from "./gateway-metrics.ts";
import { formatOpenMetrics, Histogram } from "./openmetrics.ts";

test("every family has its own stable name, and a sample for each lane and path", () => {
  const families = gatewayMetrics(gatewayStatus(), new Histogram([1]).snapshot());
  const names = families.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(names.every((name) => name.startsWith("paddock_gateway_"))).toBe(true);
  const text = formatOpenMetrics(families);
  for (const line of [
    'paddock_gateway_received_frames_total{lane="alarm"} 1000',
    'paddock_gateway_committed_frames_total{lane="telemetry"} 1000',
    'paddock_gateway_forwarded_records_total{path="fibre"} 988',
    'paddock_gateway_acknowledged_records_total{lane="bulk"} 996',
    'paddock_gateway_refused_messages_total{reason="senml"} 2',
    "paddock_gateway_write_amplification_ratio 2.1",
    "paddock_gateway_resident_memory_bytes 80000000",
  ]) {
    expect(text).toContain(`\n${line}\n`);
  }
});

test("what the kernel does not tell is left out, not zero", () => {
  const status = gatewayStatus({
    process: { writtenBytes: null, writeAmplification: null },
    uplinks: { lastReceiptS: null },
  });
  const names = gatewayMetrics(status, new Histogram([1]).snapshot()).map(({ name }) => name);
  expect(names).not.toContain("paddock_gateway_disk_written_bytes");
  expect(names).not.toContain("paddock_gateway_last_receipt_age_seconds");
});
