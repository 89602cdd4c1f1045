import { expect, test } from "vitest";
import { formatOpenMetrics, Histogram } from "./openmetrics.ts";

test("counters, gauges and histograms, with units, escaped labels and the end mark", () => {
  const histogram = new Histogram([0.001, 1]);
  for (const value of [0.0005, 0.001, 0.5, 7]) histogram.observe(value);
  const text = formatOpenMetrics([
    {
      name: "paddock_gateway_received_bytes",
      help: "Bytes.",
      unit: "bytes",
      type: "counter",
      samples: [[{ lane: 'a"b\\\n' }, 12]],
    },
    { name: "paddock_gateway_full", help: "Whether.", type: "gauge", samples: [[{}, 1.5]] },
    {
      name: "paddock_gateway_commit_seconds",
      help: "Time.",
      unit: "seconds",
      type: "histogram",
      histogram: histogram.snapshot(),
    },
  ]);
  expect(text).toBe(
    [
      "# TYPE paddock_gateway_received_bytes counter",
      "# UNIT paddock_gateway_received_bytes bytes",
      "# HELP paddock_gateway_received_bytes Bytes.",
      'paddock_gateway_received_bytes_total{lane="a\\"b\\\\\\n"} 12',
      "# TYPE paddock_gateway_full gauge",
      "# HELP paddock_gateway_full Whether.",
      "paddock_gateway_full 1.5",
      "# TYPE paddock_gateway_commit_seconds histogram",
      "# UNIT paddock_gateway_commit_seconds seconds",
      "# HELP paddock_gateway_commit_seconds Time.",
      'paddock_gateway_commit_seconds_bucket{le="0.001"} 2',
      'paddock_gateway_commit_seconds_bucket{le="1.0"} 3',
      'paddock_gateway_commit_seconds_bucket{le="+Inf"} 4',
      "paddock_gateway_commit_seconds_count 4",
      "paddock_gateway_commit_seconds_sum 7.5015",
      "# EOF",
      "",
    ].join("\n"),
  );
});

test("names that the format does not allow are programmer errors", () => {
  const family = { help: "", type: "counter", samples: [] } as const;
  expect(() => formatOpenMetrics([{ ...family, name: "frames_total" }])).toThrow(RangeError);
  expect(() => formatOpenMetrics([{ ...family, name: "frames", unit: "bytes" }])).toThrow(RangeError);
});
