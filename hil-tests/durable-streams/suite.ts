import { runConformanceTests } from "@durable-streams/server-conformance-tests";
import { LONG_POLL_MS } from "./memory-streams.ts";

// Not BASE_URL: vitest has a variable of that name itself, and sets it.
const baseUrl = process.env["DURABLE_STREAMS_URL"];
if (baseUrl === undefined) throw new Error("DURABLE_STREAMS_URL says where the streams are.");
runConformanceTests({ baseUrl, longPollTimeoutMs: LONG_POLL_MS });
