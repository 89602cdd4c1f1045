import { join } from "node:path";
import * as v from "valibot";
import { readConfigFile } from "@paddock/base/config.ts";
import { metricsProblem } from "@paddock/base/metrics-listener.ts";
import {
  ALLOWED_PREFIX,
  PASSIVE_INTERVAL_MS,
  REFLECTOR_ADDRESS,
  REFLECTOR_INTERVAL_MS,
} from "@paddock/uplink/bfd/reflector-config.ts";
import { OtlpSchema } from "./otlp/config.ts";
import { LastSchema, SinksSchema, SitesSchema, type LastConfig } from "./sinks/config.ts";
import { CLAIM_BYTES_MAX } from "@paddock/wire/limits.ts";

/**
 * The collector's configuration: one JSON document, checked as a whole before anything starts. Unknown keys are errors.
 * `collector/config.schema.json` is generated from this schema.
 */

const describe = v.description;
const whole = (min: number, max: number, unit: string) =>
  v.pipe(v.number(), v.integer(`must be a whole number of ${unit}`), v.minValue(min), v.maxValue(max));
const text = (min: number, max: number) => v.pipe(v.string(), v.minLength(min), v.maxLength(max));
const port = v.pipe(whole(0, 65_535, "ports"), describe("0 lets the kernel choose; the ready event names it"));

const Listen = v.strictObject({ address: v.pipe(text(2, 64), describe("IPv6 or IPv4 address, such as ::")), port });

const Loopback = v.pipe(
  v.strictObject({ address: v.picklist(["::1", "127.0.0.1"]), port }),
  describe(
    "The operator's API over TCP. It stays on this machine and asks for the token in operator-token of dataDir.",
  ),
);

const Metrics = v.pipe(
  v.strictObject({
    listen: v.pipe(
      v.optional(v.nullable(Listen), null),
      describe("HTTP listener for GET /metrics, /healthz and /readyz, and nothing of the operator's API; null: none"),
    ),
    tls: v.pipe(
      v.optional(v.nullable(v.strictObject({ cert: text(1, 4096), key: text(1, 4096) })), null),
      describe(
        "PEM files of a certificate chain and its key, read at the start: the listener speaks HTTPS; null: plain HTTP",
      ),
    ),
    tokenFile: v.pipe(
      v.optional(v.nullable(text(1, 4096)), null),
      describe(
        "File with the token that a scrape shows (authorization: Bearer TOKEN), read at the start; null: /metrics asks nobody who they are. Probes show nothing",
      ),
    ),
  }),
  v.rawCheck(({ dataset, addIssue }) => {
    const problem = dataset.typed ? metricsProblem(dataset.value) : undefined;
    if (problem === undefined || !dataset.typed) return;
    const input = dataset.value;
    const path = [{ type: "object", origin: "value", input, key: "tokenFile", value: input.tokenFile }] as const;
    addIssue({ message: problem, path: [...path], input: input.tokenFile });
  }),
);

const Claim = v.strictObject({
  code: v.pipe(
    text(8, CLAIM_BYTES_MAX),
    v.regex(/^[!-~]+$/, "must be printable ASCII without spaces"),
    describe("Secret that a gateway presents; admits exactly one gateway at once"),
  ),
  label: v.optional(text(0, 128), ""),
});

const Store = v.strictObject({
  maxBytes: v.optional(
    v.pipe(whole(16_777_216, Number.MAX_SAFE_INTEGER, "bytes"), describe("The ledger refuses uploads above this")),
    1_099_511_627_776,
  ),
  minFreeBytes: v.optional(
    v.pipe(whole(0, Number.MAX_SAFE_INTEGER, "bytes"), describe("Free space that is left to the rest of the disk")),
    1_073_741_824,
  ),
  ballastBytes: v.optional(
    v.pipe(whole(0, 1_073_741_824, "bytes"), describe("A reserved file, given up to recover from a full disk")),
    8_388_608,
  ),
});

const Limits = v.strictObject({
  maxConnections: v.optional(
    v.pipe(
      whole(1, 1_000_000, "connections"),
      describe("A quarter of them may have shown no gateway's key; when there are more, the oldest of those gives way"),
    ),
    10_000,
  ),
  unprovenMs: v.optional(
    v.pipe(
      whole(1000, 3_600_000, "ms"),
      describe("Time for a connection to show the key of a gateway that is approved or asks to be"),
    ),
    20_000,
  ),
  maxStreamsPerConnection: v.optional(
    v.pipe(whole(1, 1000, "streams"), describe("HTTP/2 SETTINGS_MAX_CONCURRENT_STREAMS")),
    32,
  ),
  maxUploads: v.optional(v.pipe(whole(1, 100_000, "uploads"), describe("At once; more are answered 503")), 1024),
  maxUploadsPerGateway: v.optional(v.pipe(whole(1, 1000, "uploads"), describe("At once; more are answered 429")), 48),
  maxBodyBytesInFlight: v.optional(
    v.pipe(
      whole(33_554_432, 1_099_511_627_776, "bytes"),
      describe("Of all uploads together, and a quarter of it for each gateway; more are answered 503"),
    ),
    134_217_728,
  ),
  bodyIdleMs: v.optional(
    v.pipe(whole(100, 3_600_000, "ms"), describe("An upload that is too slow for this long ends")),
    30_000,
  ),
  bodyBytesPerSMin: v.optional(
    v.pipe(whole(0, 1_000_000, "bytes per second"), describe("Slower than this is too slow; 0: one byte is enough")),
    100,
  ),
  bodyTotalMs: v.optional(v.pipe(whole(100, 86_400_000, "ms"), describe("An upload that lasts longer ends")), 300_000),
  connectionIdleMs: v.optional(
    v.pipe(whole(1000, 86_400_000, "ms"), describe("A connection without traffic is closed after this")),
    900_000,
  ),
  maxChainsPerGateway: v.optional(
    v.pipe(whole(3, 1_000_000, "chains"), describe("Lanes times epochs; a new one above this is answered 422")),
    4096,
  ),
  handshakeMs: v.optional(v.pipe(whole(100, 600_000, "ms"), describe("Time for the TLS handshake")), 10_000),
  enrolmentsPerS: v.optional(v.pipe(whole(1, 10_000, "enrolments"), describe("More are answered 429")), 20),
  maxPending: v.optional(
    v.pipe(whole(1, 100_000, "gateways"), describe("Gateways that wait for a yes; the one longest silent gives way")),
    1024,
  ),
  maxFollowers: v.optional(v.pipe(whole(1, 10_000, "followers"), describe("Readers of the log at once")), 64),
  drainMs: v.optional(v.pipe(whole(0, 600_000, "ms"), describe("Time for uploads in flight after SIGTERM")), 10_000),
});

const Bfd = v.strictObject({
  seamless: v.optional(
    v.nullable(
      v.strictObject({
        listen: v.pipe(
          v.array(v.strictObject({ address: REFLECTOR_ADDRESS, port: v.optional(port, 7784) })),
          v.minLength(1),
          describe("One entry for each address that gateways watch"),
        ),
        discriminator: v.pipe(
          whole(1, 0xffff_ffff, "discriminators"),
          describe("What gateways ask for: paths[].bfd.endToEnd.discriminator there"),
        ),
        minIntervalMs: v.optional(
          v.pipe(REFLECTOR_INTERVAL_MS, describe("The fastest pace that gateways may use")),
          10,
        ),
      }),
    ),
    null,
  ),
  passive: v.optional(
    v.nullable(
      v.strictObject({
        addresses: v.pipe(
          v.array(REFLECTOR_ADDRESS),
          v.minLength(1),
          describe("Addresses that answer on UDP port 4784"),
        ),
        allow: v.pipe(
          v.optional(v.nullable(v.pipe(v.array(ALLOWED_PREFIX), v.minLength(1), v.maxLength(10_000))), null),
          describe("Addresses and prefixes of gateways, 2001:db8::/32; null answers everyone"),
        ),
        intervalMs: v.optional(PASSIVE_INTERVAL_MS, 300),
        detectMult: v.optional(whole(1, 255, "packets"), 3),
        sessionsMax: v.optional(v.pipe(whole(1, 100_000, "sessions"), describe("More peers get no answer")), 4096),
      }),
    ),
    null,
  ),
});

export const CollectorConfigSchema = v.strictObject({
  dataDir: v.pipe(text(1, 4096), describe("Holds the identity key, the ledger, the gateways and the evidence")),
  listen: v.optional(v.pipe(v.array(Listen), v.minLength(1)), [{ address: "::", port: 8443 }]),
  tls: v.optional(
    v.nullable(
      v.pipe(
        v.strictObject({ cert: text(1, 4096), key: text(1, 4096) }),
        describe(
          "PEM files to show instead of the certificate over the identity key. Gateways must then trust its issuer by collector.ca.",
        ),
      ),
    ),
    null,
  ),
  operator: v.optional(
    v.strictObject({
      socket: v.optional(v.nullable(text(1, 107)), null),
      listen: v.optional(v.nullable(Loopback), null),
    }),
    {},
  ),
  metrics: v.optional(Metrics, {}),
  otlp: OtlpSchema,
  bfd: v.pipe(
    v.optional(Bfd, {}),
    describe(
      "Answers to gateways that watch their paths: seamless ones (S-BFD) without state, multihop ones passively",
    ),
  ),
  sinks: v.optional(SinksSchema, []),
  last: v.optional(LastSchema, {}),
  sites: v.optional(SitesSchema, []),
  claims: v.optional(v.pipe(v.array(Claim), v.maxLength(100_000)), []),
  store: v.optional(Store, {}),
  limits: v.optional(Limits, {}),
  log: v.optional(v.strictObject({ level: v.optional(v.picklist(["debug", "info", "warn", "error"]), "info") }), {}),
});

export type CollectorConfig = v.InferOutput<typeof CollectorConfigSchema>;
export type CollectorLimits = CollectorConfig["limits"];

/** Reads and checks a configuration file. Throws CONFIG_UNREADABLE or CONFIG_INVALID. */
export function readCollectorConfig(path: string): Promise<CollectorConfig> {
  return readConfigFile(CollectorConfigSchema, path);
}

/** Where the operator's commands reach this collector. */
export function operatorSocketPath(config: CollectorConfig): string {
  return config.operator.socket ?? join(config.dataDir, "operator.sock");
}

/** What the last values in memory are to be; undefined when there are none. */
export function lastConfig({ last, sinks }: CollectorConfig): LastConfig | undefined {
  return (last.enabled ?? sinks.length > 0) ? last : undefined;
}
