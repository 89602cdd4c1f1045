/** Tests of the suite that ask for something else than reading a stream to which nobody but its owner adds. */
export interface NotReads {
  readonly why: string;
  /** Whole groups, as the suite calls them, with how many tests each has. */
  readonly groups?: Readonly<Record<string, number>>;
  /** Single tests: groups and name as vitest prints them. */
  readonly tests?: readonly string[];
}

export const NOT_READS: readonly NotReads[] = [
  {
    why: "A fork is made by a writer. The log has none.",
    groups: {
      "Fork - Creation": 34,
      "Fork - Reading": 6,
      "Fork - Appending": 5,
      "Fork - Recursive": 5,
      "Fork - Live Modes": 4,
      "Fork - Deletion and Lifecycle": 13,
      "Fork - TTL and Expiry": 9,
      "Fork - JSON Mode": 2,
      "Fork - Edge Cases": 4,
    },
  },
  {
    why: "What expires is deleted with all that it had. The log is not.",
    groups: { "TTL and Expiry Validation": 5, "TTL and Expiry Edge Cases": 9, "TTL Expiration Behavior": 14 },
    tests: ["HEAD Metadata Edge Cases > should return TTL metadata if configured"],
  },
  {
    why: "A writer closes its stream. The log goes on as long as there are gateways.",
    groups: { "Stream Closure": 34 },
  },
  {
    why: "Who may write, and what twice. Readings come from gateways, signed, by another protocol.",
    groups: { "Idempotent Producer Operations": 29 },
    tests: [
      "Append Operations > should enforce sequence ordering with seq",
      "HTTP Protocol > should enforce sequence ordering",
      'HTTP Protocol > should enforce lexicographic seq ordering ("2" then "10" rejects)',
      "HTTP Protocol > should reject duplicate seq values",
      "Protocol Edge Cases > should enforce case-sensitive seq ordering",
      "Property-Based Tests (fast-check) > Sequence Ordering Properties > out-of-order seq values are rejected",
    ],
  },
  {
    why: "What a writer must not send.",
    tests: [
      "HTTP Protocol > should return 409 on content-type mismatch",
      "Content-Type Validation > should enforce content-type match on append",
      "Protocol Edge Cases > should reject missing Content-Type on POST",
      "JSON Mode > should reject POST with empty array body",
      "JSON Mode > should reject invalid JSON with 400",
      "JSON Mode > should reject empty JSON arrays with 400",
    ],
  },
  {
    why: "How a stream is made. The log is there.",
    tests: [
      "Basic Stream Operations > should reject create with different config (409)",
      "HTTP Protocol > should return 409 on PUT with different config",
      "Protocol Edge Cases > should return Location header on 201",
    ],
  },
  {
    why: "A page of another origin asks a browser. The operator's listener refuses such pages, whatever they ask for.",
    tests: ["Caching and ETag > should allow If-None-Match in CORS preflight responses"],
  },
  {
    why: "Calls to a web server of the subscriber's. The suite leaves them out unless it is asked for them.",
    groups: { "Reserved subscription APIs": 6 },
  },
];
