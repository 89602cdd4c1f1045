import * as v from "valibot";
import { udpListen } from "./listen-fields.ts";
import { collector, uplinkPath } from "./uplink-fields.ts";
import { described, filePath, ipAddress, MIB, nullableSection, portOf, share, whole } from "./values.ts";

const lane = (name: string, lingerMs: number, pressure: "refuse-new" | "evict-oldest", quotaShare: number) =>
  described(
    v.optional(
      v.strictObject({
        lingerMs: described(
          v.optional(
            v.pipe(v.number(), v.minValue(0, "expected 0 to 60000 ms"), v.maxValue(60_000, "expected 0 to 60000 ms")),
            lingerMs,
          ),
          "Milliseconds that a frame whose sensor waits for no answer may wait for company in its batch. Longer batches wear the disk less.",
        ),
        pressure: described(
          v.optional(v.picklist(["refuse-new", "evict-oldest"]), pressure),
          "When the store is full of frames that no receipt names: refuse-new answers 5.03; evict-oldest gives up the oldest payloads and says so in the chain.",
        ),
        quotaShare: described(
          v.optional(share, quotaShare),
          "Part of the store, 0 to 1, that is this lane's own. What a lane leaves unused the others may use.",
        ),
      }),
      {},
    ),
    `The ${name} lane.`,
  );

/** Of what an image may say in a document. */
export const NOTICES_MAX = 16;
/** Letters of each. */
export const NOTICE_MAX = 300;

/** Every section with its defaults; what no field shows alone is in rules.ts. */
export const configFields = v.strictObject({
  dataDir: described(filePath, "Directory of the store, the identity key and the status socket."),
  listen: described(v.optional(v.array(udpListen), [{ address: "::" }]), "CoAP listeners."),
  plainListen: described(
    v.optional(v.array(udpListen), []),
    "Listeners that take one frame per datagram without CoAP and never answer.",
  ),
  identity: described(
    v.optional(
      v.strictObject({
        keyFile: described(
          v.optional(v.nullable(filePath), null),
          "PEM file of an injected Ed25519 key (mode 0600); null makes one in dataDir at the first start.",
        ),
      }),
      {},
    ),
    "Who this gateway is.",
  ),
  sensors: described(
    v.optional(
      v.strictObject({
        file: described(v.optional(v.nullable(filePath), null), "JSON file of the known sensors; null: none is known."),
        unknown: described(
          v.optional(v.picklist(["accept", "refuse"]), "accept"),
          "What happens to a sensor that the file does not name.",
        ),
        rateFramesPerS: described(
          v.optional(whole(0, 1_000_000, "frames/s"), 0),
          "Frames per second that one source may send; 0: no limit.",
        ),
      }),
      {},
    ),
    "Which sensors may send, and how much.",
  ),
  lanes: described(
    v.optional(
      v.strictObject({
        alarm: lane("alarm", 0, "refuse-new", 0.2),
        telemetry: lane("telemetry", 5, "evict-oldest", 0.5),
        bulk: lane("bulk", 20, "evict-oldest", 0.3),
      }),
      {},
    ),
    "The three priority classes; each is a hash chain of its own.",
  ),
  store: described(
    v.optional(
      v.strictObject({
        maxBytes: described(
          v.optional(whole(MIB, Number.MAX_SAFE_INTEGER, "bytes"), 1024 * MIB),
          "Bytes of batches that the store holds at most.",
        ),
        minFreeBytes: described(
          v.optional(whole(0, Number.MAX_SAFE_INTEGER, "bytes"), 64 * MIB),
          "Bytes that stay free on the disk.",
        ),
        ballastBytes: described(
          v.optional(whole(0, 1024 * MIB, "bytes"), 8 * MIB),
          "Bytes of a file that is given up to get out of a full disk.",
        ),
      }),
      {},
    ),
    "The buffer on disk.",
  ),
  collector: described(v.optional(v.nullable(collector), null), "The collector; null buffers only."),
  paths: described(v.optional(v.array(uplinkPath), []), "Ways to the collector."),
  bfd: described(
    v.optional(
      v.strictObject({
        socket: described(
          v.optional(v.nullable(filePath), null),
          "Unix socket of a `paddock bfd` that the service manager runs; null: the gateway starts one when a path has bfd.",
        ),
      }),
      {},
    ),
    "The BFD speaker, a process of its own.",
  ),
  forward: described(
    v.optional(
      v.strictObject({
        order: described(
          v.optional(v.picklist(["live-first", "oldest-first"]), "live-first"),
          "live-first sends new batches before the backlog; oldest-first sends in the order of the chain.",
        ),
        backfillShare: described(
          v.optional(share, 0.25),
          "Part of the uplink, 0 to 1, that the backlog gets while live batches flow.",
        ),
        alarmTwice: described(
          v.optional(v.boolean(), false),
          "Send alarm batches over two disjoint paths at the same time.",
        ),
        drainMs: described(
          v.optional(whole(0, 60_000, "ms"), 2000),
          "Milliseconds that uploads under way get to finish when the gateway stops.",
        ),
      }),
      {},
    ),
    "How batches leave.",
  ),
  directives: described(
    v.optional(
      v.strictObject({
        take: described(
          v.optional(v.array(v.picklist(["config", "release"])), ["config", "release"]),
          "What the collector may ask of this gateway: config, a change of its configuration; release, an update of its image. Empty: nothing.",
        ),
        everyS: described(
          v.optional(whole(1, 86_400, "seconds"), 300),
          "Seconds between two questions to the collector whether it asks for something, a fifth more or less.",
        ),
        trialS: described(
          v.optional(whole(1, 86_400, "seconds"), 300),
          "Seconds within which a changed configuration has to get a receipt; without one the gateway goes back to the one before.",
        ),
      }),
      {},
    ),
    "What the collector may change here. No directive changes this section, nor dataDir, identity, status, bfd, sensors.file, notices, or collector but for its label.",
  ),
  status: described(
    v.optional(
      v.strictObject({
        socket: described(
          v.optional(v.nullable(filePath), null),
          "Unix socket of the status commands; null: status.sock in dataDir.",
        ),
      }),
      {},
    ),
    "Where `paddock gateway status` asks.",
  ),
  metrics: described(
    v.optional(
      nullableSection(
        v.strictObject({
          listen: described(
            v.optional(v.nullable(v.strictObject({ address: ipAddress, port: portOf("TCP") })), null),
            "Address of an HTTP listener for OpenMetrics at /metrics, and for probes at /healthz and /readyz; null: none.",
          ),
          tls: described(
            v.optional(v.nullable(v.strictObject({ cert: filePath, key: filePath })), null),
            "PEM files of a certificate chain and its key, read at the start: the listener speaks HTTPS; null: plain HTTP.",
          ),
          tokenFile: described(
            v.optional(v.nullable(filePath), null),
            "File with the token that a scrape shows (authorization: Bearer TOKEN), read at the start; null: /metrics asks nobody who they are. Probes show nothing.",
          ),
        }),
        { listen: null, tls: null, tokenFile: null },
      ),
      {},
    ),
    "Metrics and probes over HTTP; null: none.",
  ),
  discovery: described(
    v.optional(
      v.strictObject({
        enabled: described(
          v.optional(v.boolean(), true),
          "Announce the CoAP listener as _coap._udp by DNS-SD over multicast DNS.",
        ),
        multicast: described(
          v.optional(v.boolean(), true),
          "Answer CoAP requests for the list of resources to All CoAP Nodes (ff02::fd, ff05::fd), whether or not anything is announced.",
        ),
        name: described(
          v.optional(
            v.nullable(
              v.pipe(v.string(), v.minLength(1, "expected a name"), v.maxBytes(63, "expected at most 63 bytes")),
            ),
            null,
          ),
          "Name of the announced service; null: paddock- and the first digits of the gateway's id.",
        ),
      }),
      {},
    ),
    "How sensors find the gateway.",
  ),
  log: described(
    v.optional(
      v.strictObject({
        level: described(
          v.optional(v.picklist(["debug", "info", "warn", "error"]), "info"),
          "Least level that is logged.",
        ),
      }),
      {},
    ),
    "Log lines on standard error.",
  ),
  notices: described(
    v.optional(
      v.pipe(
        v.array(
          v.pipe(
            v.string(),
            v.minLength(1, "expected a sentence"),
            v.maxLength(NOTICE_MAX, `expected at most ${NOTICE_MAX} letters`),
          ),
        ),
        v.maxLength(NOTICES_MAX, `expected at most ${NOTICES_MAX} sentences`),
      ),
      [],
    ),
    "What whoever made this document has to say of it, PLACE: TEXT. An image puts here what is wrong on its CONFIG partition; `status` tells it, and DNS-SD how many and the place of the first.",
  ),
});

export type ConfigFields = v.InferOutput<typeof configFields>;
