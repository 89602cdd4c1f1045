import { parseJson } from "@paddock/base/config.ts";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { fixedFieldsIn } from "@paddock/wire/directive.ts";
import { parseGatewayConfig, type GatewayConfig } from "../config.ts";
import { problemsOfNamedFiles } from "../named-files.ts";
import type { Change } from "./machine.ts";
import { isJsonObject, mergePatch } from "./merge-patch.ts";

/** The gateway's own configuration with a change laid over it. What is refused names no secret. */
export function changedConfig(
  own: GatewayConfig,
  { revision, document }: Pick<Change, "revision" | "document">,
): Outcome<GatewayConfig, "change"> {
  const what = `revision ${revision}`;
  try {
    const patch = parseJson(document, what);
    if (!isJsonObject(patch)) return refuse("change", `${what} is no JSON object.`);
    const fixed = fixedFieldsIn(patch);
    if (fixed.length > 0) return refuse("change", `${fixed.join(", ")}: no directive may change this.`);
    return accept(parseGatewayConfig(mergePatch(own, patch), what));
  } catch (error) {
    if (!(error instanceof PaddockError)) throw error;
    return refuse("change", error.message);
  }
}

/** What a check of the changed configuration would say, as `--check-config` does; undefined when all is well. */
export async function problemOfChange(
  own: GatewayConfig,
  change: Pick<Change, "revision" | "document">,
): Promise<string | undefined> {
  const changed = changedConfig(own, change);
  if (!changed.ok) return changed.detail;
  const [problem] = await problemsOfNamedFiles(changed.value);
  return problem === undefined ? undefined : messageOf(problem);
}
