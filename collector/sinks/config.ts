import * as v from "valibot";

const describe = v.description;
const whole = (min: number, max: number, unit: string) =>
  v.pipe(v.number(), v.integer(`must be a whole number of ${unit}`), v.minValue(min), v.maxValue(max));
const text = (min: number, max: number) => v.pipe(v.string(), v.minLength(min), v.maxLength(max));

const Files = v.strictObject({
  directory: v.pipe(text(1, 4096), describe("Holds the files of rows and their place in the log; this sink's alone")),
  format: v.pipe(
    v.optional(v.picklist(["ndjson", "influx"]), "ndjson"),
    describe("ndjson: a JSON object per row; influx: InfluxDB line protocol, times in nanoseconds"),
  ),
  rotateBytes: v.optional(
    v.pipe(whole(4096, 1_099_511_627_776, "bytes"), describe("A file with this much is followed by the next")),
    67_108_864,
  ),
  rotateAgeMs: v.optional(
    v.pipe(whole(1000, 31_536_000_000, "ms"), describe("So is one that is older, when rows come")),
    86_400_000,
  ),
  keepFiles: v.pipe(
    v.optional(v.nullable(whole(1, 100_000, "files")), null),
    describe("Files kept, oldest deleted first; null keeps all"),
  ),
});

/** What a sink can be; just one of these stands in its entry. */
const SINK_KIND_NAMES = ["files"] as const;
export type SinkKindName = (typeof SINK_KIND_NAMES)[number];

const Sink = v.pipe(
  v.strictObject({
    name: v.pipe(
      text(1, 64),
      v.regex(/^[a-z0-9][a-z0-9._-]*$/u, "must be of a-z, 0-9, '.', '_' and '-', a letter or digit first"),
      describe("By which operators know it"),
    ),
    maxRows: v.pipe(
      v.optional(v.nullable(whole(1, 500_000, "rows")), null),
      describe("Rows that are kept at once, with one batch more; null leaves it to the kind"),
    ),
    maxDelayMs: v.pipe(
      v.optional(v.nullable(whole(1, 3_600_000, "ms")), null),
      describe("After which fewer are kept; null leaves it to the kind"),
    ),
    files: v.pipe(v.optional(v.nullable(Files), null), describe("Files of lines, one for each reading.")),
  }),
  v.check((sink) => kindsIn(sink).length === 1, `must have just one of ${SINK_KIND_NAMES.join(", ")}`),
);

function kindsIn(sink: Readonly<Partial<Record<SinkKindName, unknown>>>): SinkKindName[] {
  return SINK_KIND_NAMES.filter((kind) => sink[kind] !== null && sink[kind] !== undefined);
}

export const SinksSchema = v.pipe(
  v.array(Sink),
  v.maxLength(64),
  v.check((sinks) => new Set(sinks.map(({ name }) => name)).size === sinks.length, "must have different names"),
  describe("Where readings go, each with a place of its own in the log"),
);

export const SitesSchema = v.pipe(
  v.array(
    v.strictObject({
      gateway: v.pipe(
        v.string(),
        v.regex(/^[0-9a-f]{64}$/u, "must be a gateway's id, 64 hex digits"),
        describe("Its id, 64 hex digits"),
      ),
      site: v.pipe(
        text(1, 128),
        v.regex(/^[^\p{Cc}]*$/u, "must have no control characters"),
        describe("The site that its rows name"),
      ),
    }),
  ),
  v.maxLength(100_000),
  describe("Sites of gateways; a gateway that is not here is known by its label, else by its id"),
);

export type SinkConfig = v.InferOutput<typeof Sink>;
export type FilesConfig = v.InferOutput<typeof Files>;
export type SiteConfig = v.InferOutput<typeof SitesSchema>[number];

/** What a sink of the configuration is. */
export function kindOf(sink: SinkConfig): SinkKindName {
  return kindsIn(sink)[0]!;
}
