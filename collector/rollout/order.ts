import { messageOf } from "@paddock/base/errors.ts";
import { parseJson } from "@paddock/base/config.ts";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { fixedFieldsIn } from "@paddock/wire/directive.ts";
import { DIRECTIVE_DOCUMENT_BYTES_MAX, DIRECTIVE_URL_BYTES_MAX } from "@paddock/wire/limits.ts";
import { isVersion, VERSION_FORM } from "@paddock/wire/release/version.ts";
import * as v from "valibot";
import type { RolloutBody } from "./machine.ts";

const WITHIN_MS_MAX = 30 * 86_400_000;
const GATEWAYS_MAX = 4096;

/** The body of `POST /v1/rollout`: a document, or a release. */
export const RolloutOrderSchema = v.strictObject({
  document: v.optional(v.string()),
  release: v.optional(
    v.strictObject({
      url: v.pipe(v.string(), v.maxBytes(DIRECTIVE_URL_BYTES_MAX), v.regex(/^https?:\/\//u)),
      version: v.pipe(v.string(), v.check(isVersion, `expected ${VERSION_FORM}`)),
      manifestSha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/u)),
    }),
  ),
  rings: v.optional(v.pipe(v.string(), v.maxLength(256)), "1,5%,25%,100%"),
  failures: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0)), 0),
  withinMs: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1000), v.maxValue(WITHIN_MS_MAX)), 3_600_000),
  /** Ids or beginnings of at least 8 digits; the first ones have their turn first. Empty: all that are approved, by lot. */
  gateways: v.optional(
    v.pipe(v.array(v.pipe(v.string(), v.regex(/^[0-9a-f]{8,64}$/u))), v.maxLength(GATEWAYS_MAX)),
    [],
  ),
});

export type RolloutOrder = v.InferOutput<typeof RolloutOrderSchema>;

/** What gateways are asked. What a gateway would refuse by name is refused here already; the rest only it can check. */
export function readBody({ document, release }: RolloutOrder, revision: number): Outcome<RolloutBody, "order"> {
  if ((document === undefined) === (release === undefined)) {
    return refuse("order", "A rollout has a document or a release, one of them.");
  }
  if (release !== undefined) return accept({ kind: "release", ...release });
  if (Buffer.byteLength(document!) > DIRECTIVE_DOCUMENT_BYTES_MAX) {
    return refuse("order", `document has more than ${DIRECTIVE_DOCUMENT_BYTES_MAX} bytes.`);
  }
  let patch: unknown;
  try {
    patch = parseJson(document!, "document");
  } catch (error) {
    return refuse("order", messageOf(error));
  }
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) {
    return refuse("order", "document is no JSON object.");
  }
  const fixed = fixedFieldsIn(patch as Record<string, unknown>);
  if (fixed.length > 0) return refuse("order", `${fixed.join(", ")}: no rollout may change this.`);
  return accept({ kind: "config", revision, document: JSON.stringify(patch) });
}
