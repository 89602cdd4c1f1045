import * as v from "valibot";
import { REFLECTOR_ADDRESS, REFLECTOR_INTERVAL_MS } from "./reflector-config.ts";
import { SESSION_SCHEMA } from "./session-spec.ts";

const port = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535));
const listenPort = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65_535));
const discriminator = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(0xffff_ffff));

/** The file of `paddock bfd --standalone --config FILE`. */
export const PROCESS_SCHEMA = v.strictObject({
  /** Control socket; none when null. */
  socket: v.optional(v.nullable(v.string()), null),
  ports: v.optional(
    v.strictObject({
      singleHop: v.optional(port, 3784),
      multihop: v.optional(port, 4784),
      seamless: v.optional(port, 7784),
      echo: v.optional(port, 3785),
    }),
    {},
  ),
  sessions: v.optional(v.array(SESSION_SCHEMA), []),
  /** Answer seamless initiators (RFC 7880). */
  reflect: v.optional(
    v.nullable(
      v.strictObject({
        listen: v.array(v.strictObject({ address: REFLECTOR_ADDRESS, port: v.optional(listenPort, 7784) })),
        discriminators: v.array(discriminator),
        minIntervalMs: v.optional(REFLECTOR_INTERVAL_MS, 10),
      }),
    ),
    null,
  ),
});

export type ProcessConfig = v.InferOutput<typeof PROCESS_SCHEMA>;
