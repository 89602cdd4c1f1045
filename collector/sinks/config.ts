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

const Sql = v.pipe(
  v.strictObject({
    host: v.pipe(
      v.optional(v.nullable(text(1, 253)), null),
      describe("Name or address of the server; null: localhost, unless socketPath is given"),
    ),
    port: v.optional(whole(1, 65_535, "ports"), 3306),
    socketPath: v.pipe(
      v.optional(v.nullable(text(1, 107)), null),
      describe("The server's socket file on this machine, such as /run/mysqld/mysqld.sock, instead of host"),
    ),
    user: v.pipe(text(1, 128), describe("The bridge's user at the server")),
    passwordFile: v.pipe(
      v.optional(v.nullable(text(1, 4096)), null),
      describe("Holds its password and nothing else; null: it has none"),
    ),
    database: v.pipe(text(1, 64), describe("Holds the bridge's tables; all their names begin with paddock_")),
    tls: v.pipe(
      v.optional(v.nullable(v.strictObject({ ca: v.pipe(text(1, 4096), describe("PEM file")) })), null),
      describe(
        "The server shows a certificate for host that ca vouches for; null: what goes over the network is readable",
      ),
    ),
  }),
  v.check(({ host, socketPath }) => host === null || socketPath === null, "must not have host beside socketPath"),
  v.check(({ tls, socketPath }) => tls === null || socketPath === null, "must not have tls beside socketPath"),
);

const Lake = v.strictObject({
  directory: v.pipe(text(1, 4096), describe("Holds the Parquet files and their journal; this sink's alone")),
  retentionDays: v.pipe(
    v.optional(v.nullable(whole(1, 36_500, "days")), null),
    describe("Days for which a day's partitions are kept after it; null keeps all"),
  ),
});

const Redis = v.strictObject({
  socketPath: v.pipe(v.optional(v.nullable(text(1, 107)), null), describe("Unix socket, in place of host and port")),
  host: v.pipe(v.optional(text(1, 255), "::1"), describe("Address or name of the server")),
  port: v.pipe(v.optional(whole(1, 65_535, "ports"), 6379), describe("Its port")),
  username: v.pipe(v.optional(v.nullable(text(1, 128)), null), describe("The sink's user, where the server has users")),
  passwordFile: v.pipe(
    v.optional(v.nullable(text(1, 4096)), null),
    describe("File with the password, read when the sink is opened"),
  ),
  db: v.pipe(v.optional(whole(0, 16_383, "databases"), 0), describe("Number of the database")),
  prefix: v.pipe(v.optional(text(0, 128), "paddock:"), describe("What all keys begin with; one collector's alone")),
});

/** What a sink can be; just one of these stands in its entry. */
const SINK_KIND_NAMES = ["files", "lake", "sql", "redis"] as const;
export type SinkKindName = (typeof SINK_KIND_NAMES)[number];

const Sink = v.pipe(
  v.strictObject({
    name: v.pipe(
      text(1, 64),
      v.regex(/^[a-z0-9][a-z0-9._-]*$/u, "must be of a-z, 0-9, '.', '_' and '-', a letter or digit first"),
      v.check((name) => name !== LAST_SINK_NAME, "is the name of what the key last configures"),
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
    lake: v.pipe(
      v.optional(v.nullable(Lake), null),
      describe("Parquet files by site, date and measurement, which DuckDB and others read."),
    ),
    sql: v.pipe(v.optional(v.nullable(Sql), null), describe("Tables of MariaDB or MySQL.")),
    redis: v.pipe(v.optional(v.nullable(Redis), null), describe("The newest reading of each sensor's names.")),
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

/** The name under which operators see the last values in memory among the sinks. */
export const LAST_SINK_NAME = "last-values";

export const LastSchema = v.pipe(
  v.strictObject({
    enabled: v.pipe(
      v.optional(v.nullable(v.boolean()), null),
      describe("null: when there are sinks; true: also without; false: never"),
    ),
    maxEntries: v.optional(
      v.pipe(
        whole(1, 5_000_000, "readings"),
        describe("Readings in memory, some 0.6 kB each; the one that was taken longest ago gives way"),
      ),
      100_000,
    ),
    lookBackRecords: v.optional(
      v.pipe(
        whole(0, 1_000_000_000, "records"),
        describe("Records of the log that a start reads again at most, when what it kept is lost or older"),
      ),
      1_000_000,
    ),
  }),
  describe("The newest reading of each name of each sensor in memory, for GET /v1/last"),
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
export type SqlConfig = v.InferOutput<typeof Sql>;
export type RedisConfig = v.InferOutput<typeof Redis>;
export type LastConfig = v.InferOutput<typeof LastSchema>;
export type SiteConfig = v.InferOutput<typeof SitesSchema>[number];

/** What a sink of the configuration is. */
export function kindOf(sink: SinkConfig): SinkKindName {
  return kindsIn(sink)[0]!;
}
