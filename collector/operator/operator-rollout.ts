import type { IncomingMessage } from "node:http";
import type { Log } from "@paddock/base/log.ts";
import { errorAnswer, jsonAnswer, type Answer } from "../ingest/http-answer.ts";
import type { GatewayRegistry } from "../registry/gateway-registry.ts";
import type { Rollout } from "../rollout/machine.ts";
import { RolloutOrderSchema } from "../rollout/order.ts";
import { rolloutReport } from "../rollout/report.ts";
import type { Rollouts } from "../rollout/rollouts.ts";
import { readJson } from "./queries.ts";

export interface RolloutContext {
  readonly rollouts: Pick<Rollouts, "rollout" | "start" | "command">;
  readonly registry: Pick<GatewayRegistry, "get">;
  readonly clock: { wallMs(): number };
  readonly log: Log;
}

/** A document of 16 KiB, escaped, and the ids of some thousand gateways. */
const ORDER_BYTES_MAX = 384 * 1024;

/** `/v1/rollout` and what is below it; undefined for another place or method. */
export async function answerRollout(
  context: RolloutContext,
  request: IncomingMessage,
  path: string,
): Promise<Answer | undefined> {
  const { rollouts, clock, log } = context;
  const answer = (rollout: Rollout | null): Answer =>
    jsonAnswer(200, rollout === null ? null : rolloutReport(rollout, (id) => context.registry.get(id)?.label ?? ""));
  switch (`${request.method} ${path}`) {
    case "GET /v1/rollout":
      return answer(rollouts.rollout);
    case "POST /v1/rollout": {
      const shape = '{"document": JSON TEXT} or {"release": {…}}, rings, failures, withinMs, gateways';
      const order = await readJson(request, RolloutOrderSchema, shape, ORDER_BYTES_MAX);
      if (!order.ok) return errorAnswer(400, order.reason, order.detail);
      const started = await rollouts.start(order.value);
      if (!started.ok) return errorAnswer(started.reason === "busy" ? 409 : 400, started.reason, started.detail);
      const { gateways, rings } = started.value;
      log.info("rollout", { phase: "running", gateways: gateways.length, rings, by: "operator" });
      return answer(started.value);
    }
    case "POST /v1/rollout/pause":
      return commanded(await rollouts.command({ kind: "pause" }), answer);
    case "POST /v1/rollout/resume":
      return commanded(await rollouts.command({ kind: "resume", nowMs: clock.wallMs() }), answer);
    case "POST /v1/rollout/stop":
      return commanded(await rollouts.command({ kind: "stop" }), answer);
    default:
      return undefined;
  }
}

function commanded(rollout: Rollout | undefined, answer: (rollout: Rollout) => Answer): Answer {
  return rollout === undefined ? errorAnswer(404, "not-found", "There is no rollout.") : answer(rollout);
}
