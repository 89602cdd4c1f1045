import { createHash, randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock, Timer } from "@paddock/base/clock.ts";
import { replaceFile } from "@paddock/base/durable-file.ts";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import type { Log } from "@paddock/base/log.ts";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { signDirective, type DirectiveBody } from "@paddock/wire/directive.ts";
import { DIRECTIVE_OUTCOMES } from "@paddock/wire/gateway-record.ts";
import type { SigningIdentity } from "@paddock/wire/identity.ts";
import { DIRECTIVE_ID_BYTES } from "@paddock/wire/limits.ts";
import * as v from "valibot";
import { hexOf } from "../chain-name.ts";
import type { ActivityBook } from "../fleet/activity.ts";

import type { Ledger } from "../ledger.ts";
import type { GatewayRegistry } from "../registry/gateway-registry.ts";
import { setAside } from "../set-aside.ts";
import { advanceRollout, isOffered, ringsOf, type Rollout, type RolloutBody, type RolloutEvent } from "./machine.ts";
import { readBody, type RolloutOrder } from "./order.ts";

const FILE = "rollout.json";
/** How often the answers are looked at while a rollout runs. */
const LOOK_MS = 1000;
/** How long after its start a directive may be begun. */
const VALID_MS = 30 * 86_400_000;

const whole = v.pipe(v.number(), v.safeInteger());
const RolloutFile = v.object({
  /** The highest that were given to any gateway: the next one is above. */
  newest: v.object({ issued: whole, revision: whole }),
  rollout: v.nullable(
    v.object({
      phase: v.picklist(["running", "paused", "stopped", "done"]),
      why: v.string(),
      body: v.variant("kind", [
        v.object({ kind: v.literal("config"), revision: whole, document: v.string() }),
        v.object({ kind: v.literal("release"), url: v.string(), version: v.string(), manifestSha256: v.string() }),
      ]),
      issued: whole,
      notAfter: whole,
      rings: v.array(whole),
      ring: whole,
      ringSince: whole,
      failuresMax: whole,
      withinMs: whole,
      gateways: v.array(
        v.object({
          id: v.string(),
          directive: v.string(),
          outcome: v.nullable(v.picklist(DIRECTIVE_OUTCOMES)),
          reason: v.string(),
        }),
      ),
    }),
  ),
});
type Kept = v.InferOutput<typeof RolloutFile>;

const NOTHING: Kept = { newest: { issued: 0, revision: 0 }, rollout: null };

export interface RolloutsOptions {
  readonly identity: SigningIdentity;
  readonly registry: Pick<GatewayRegistry, "all">;
  readonly ledger: Pick<Ledger, "chains">;
  readonly activity: Pick<ActivityBook, "told">;
  readonly clock: Clock;
  readonly log: Log;
}

/** The one rollout of this collector: durable before anything of it is given out, over any number of restarts. */
export class Rollouts {
  readonly #path: string;
  readonly #options: RolloutsOptions;
  #kept: Kept;
  #timer: Timer | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;

  private constructor(path: string, options: RolloutsOptions, kept: Kept) {
    this.#path = path;
    this.#options = options;
    this.#kept = kept;
  }

  /** A damaged file is set aside: no rollout goes on. Throws STORE_DAMAGED for one that cannot be read. */
  static async open(dataDir: string, options: RolloutsOptions): Promise<Rollouts> {
    const path = join(dataDir, FILE);
    const rollouts = new Rollouts(path, options, await readKept(path, options.log));
    rollouts.#lookSoon();
    return rollouts;
  }

  get rollout(): Rollout | null {
    return this.#kept.rollout;
  }

  /** The signed directive that a gateway is to have now; undefined for none. */
  directiveFor(gateway: string): Buffer | undefined {
    const { rollout } = this.#kept;
    if (rollout === null || !isOffered(rollout, gateway)) return undefined;
    const { directive } = rollout.gateways.find(({ id }) => id === gateway)!;
    const { issued, notAfter } = rollout;
    return signDirective(this.#options.identity, {
      id: Buffer.from(directive, "hex"),
      gateway: Buffer.from(gateway, "hex"),
      issued,
      notAfter,
      body: bodyOf(rollout.body),
    });
  }

  start(order: RolloutOrder): Promise<Outcome<Rollout, "order" | "busy">> {
    return this.#inTurn(async () => {
      const { phase } = this.#kept.rollout ?? { phase: "done" };
      if (phase === "running" || phase === "paused") {
        return refuse("busy", "A rollout is under way: wait for its end, or stop it.");
      }
      const planned = this.#plan(order);
      if (!planned.ok) return planned;
      await this.#keep(planned.value);
      this.#lookSoon();
      return accept(planned.value.rollout!);
    });
  }

  /** What the operator says of the one that there is; undefined when there is none. */
  command(event: Exclude<RolloutEvent, { kind: "look" }>): Promise<Rollout | undefined> {
    return this.#inTurn(async () => {
      await this.#advance(event);
      this.#lookSoon();
      return this.#kept.rollout ?? undefined;
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#turn;
  }

  #plan(order: RolloutOrder): Outcome<Kept, "order"> {
    const { registry, clock } = this.#options;
    const approved = registry.all().filter(({ state }) => state === "approved");
    const chosen = order.gateways.map((prefix) => approved.filter(({ id }) => id.startsWith(prefix)));
    const unclear = chosen.findIndex((matches) => matches.length !== 1);
    if (unclear >= 0) {
      const count = chosen[unclear]!.length === 0 ? "no approved gateway" : "several gateways";
      return refuse("order", `gateways: ${count} begins with ${order.gateways[unclear]}.`);
    }
    const seed = randomBytes(16);
    const turnOf = (id: string) => createHash("sha256").update(seed).update(id).digest();
    const named = [...new Set(chosen.flat())];
    const gateways = named.length > 0 ? named : approved.toSorted((a, b) => Buffer.compare(turnOf(a.id), turnOf(b.id)));
    const rings = gateways.length === 0 ? undefined : ringsOf(order.rings, gateways.length);
    if (rings === undefined) {
      return refuse("order", gateways.length === 0 ? "No gateway is approved." : "rings are such as 1,5%,25%,100%.");
    }
    const nowMs = clock.wallMs();
    const { newest } = this.#kept;
    const issued = Math.max(newest.issued + 1, nowMs);
    // Also above what was given out before this collector lost its file.
    const revision = Math.max(newest.revision + 1, Math.floor(nowMs / 1000));
    const body = readBody(order, revision);
    if (!body.ok) return body;
    return accept({
      newest: { issued, revision: order.document === undefined ? newest.revision : revision },
      rollout: {
        phase: "running",
        why: "",
        body: body.value,
        issued,
        notAfter: nowMs + VALID_MS,
        rings,
        ring: 0,
        ringSince: nowMs,
        failuresMax: order.failures,
        withinMs: order.withinMs,
        gateways: gateways.map(({ id }) => ({
          id,
          directive: turnOf(`directive ${id}`).toString("hex", 0, DIRECTIVE_ID_BYTES),
          outcome: null,
          reason: "",
        })),
      },
    });
  }

  #lookSoon(): void {
    this.#timer?.cancel();
    const { rollout } = this.#kept;
    if (this.#closed || rollout === null) return;
    // One that is over may still be answered by gateways that were away.
    if (rollout.gateways.every(({ outcome }) => outcome !== null && outcome !== "trying")) {
      if (rollout.phase !== "running") return;
    }
    this.#timer = this.#options.clock.after(LOOK_MS, () => void this.#inTurn(() => this.#look()));
  }

  async #look(): Promise<void> {
    const { ledger, activity, clock, log } = this.#options;
    try {
      const wanted = new Set(this.#kept.rollout?.gateways.map(({ id }) => id));
      const answers = new Map<string, { outcome: (typeof DIRECTIVE_OUTCOMES)[number]; reason: string }>();
      for (const { id } of ledger.chains()) {
        if (!wanted.has(hexOf(id.gateway))) continue;
        for (const told of activity.told(id).directives) answers.set(told.id, told);
      }
      await this.#advance({ kind: "look", nowMs: clock.wallMs(), answers });
    } catch (error) {
      log.error("rollout-not-written", { message: messageOf(error) });
    }
    this.#lookSoon();
  }

  async #advance(event: RolloutEvent): Promise<void> {
    const { rollout } = this.#kept;
    const after = rollout === null ? null : advanceRollout(rollout, event);
    if (after === rollout || after === null) return;
    await this.#keep({ ...this.#kept, rollout: after as Kept["rollout"] });
    if (after.phase === rollout!.phase && after.ring === rollout!.ring) return;
    const { phase, ring, rings, why } = after;
    this.#options.log[phase === "stopped" ? "error" : "info"]("rollout", {
      phase,
      ring: ring + 1,
      of: rings.length,
      why,
    });
  }

  async #keep(kept: Kept): Promise<void> {
    await replaceFile(this.#path, `${JSON.stringify(kept)}\n`);
    this.#kept = kept;
  }

  #inTurn<Value>(task: () => Promise<Value>): Promise<Value> {
    const result = this.#turn.then(task);
    this.#turn = result.catch(() => {});
    return result;
  }
}

function bodyOf(body: RolloutBody): DirectiveBody {
  return body.kind === "config" ? body : { ...body, manifestSha256: Buffer.from(body.manifestSha256, "hex") };
}

async function readKept(path: string, log: Log): Promise<Kept> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return NOTHING;
    throw new PaddockError("STORE_DAMAGED", `${path} cannot be read: ${messageOf(error)}.`, { cause: error });
  }
  try {
    return v.parse(RolloutFile, JSON.parse(text));
  } catch (error) {
    await setAside(log, path, error, "no rollout under way");
    return NOTHING;
  }
}
