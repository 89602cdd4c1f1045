import { errorAnswer, type Answer } from "../ingest/http-answer.ts";
import type { Gateway, GatewayRegistry } from "../registry/gateway-registry.ts";

/** The gateway whose id begins so, or the answer that there is none, or several. */
export function findGateway(registry: Pick<GatewayRegistry, "all">, prefix: string): Gateway | Answer {
  const matches = registry.all().filter((gateway) => gateway.id.startsWith(prefix));
  if (matches.length === 0) return neverEnrolled(prefix);
  return matches.length === 1
    ? matches[0]!
    : errorAnswer(409, "ambiguous", `${matches.length} gateways start with ${prefix}.`);
}

export function neverEnrolled(prefix: string): Answer {
  return errorAnswer(404, "not-found", `No gateway ${prefix} ever enrolled.`);
}
