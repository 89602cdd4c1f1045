import { TokenBucket } from "@paddock/base/token-bucket.ts";
import type { Clock } from "@paddock/base/clock.ts";
import type { Log } from "@paddock/base/log.ts";
import { claimedGateway, openEnrolment } from "@paddock/wire/enrolment.ts";
import { hexOf } from "../chain-name.ts";
import type { CollectorLimits } from "../config.ts";
import type { CollectorMetrics } from "../metrics.ts";
import type { GatewayRegistry } from "../registry/gateway-registry.ts";
import { BodyBudget } from "./body-budget.ts";
import type { ConnectionPlace } from "./connection-places.ts";
import {
  bodyRefusal,
  BUSY_RETRY_S,
  connectionOf,
  errorAnswer,
  jsonAnswer,
  type Answer,
  type AnyRequest,
} from "./http-answer.ts";
import type { KeyProofs } from "./key-proofs.ts";
import { readBody } from "./read-body.ts";
import type { WrongSignatures } from "./wrong-signatures.ts";

export interface EnrolmentContext {
  readonly registry: GatewayRegistry;
  readonly keyProofs: KeyProofs;
  readonly wrongSignatures: WrongSignatures;
  readonly metrics: Pick<CollectorMetrics, "enrolments">;
  readonly limits: Pick<CollectorLimits, "enrolmentsPerS">;
  readonly clock: Clock;
  readonly log: Log;
}

const ENROLMENT_BYTES_MAX = 4096;
/** A request is one packet; who needs longer is not enrolling. */
const ENROLMENT_MS = 5000;
const AT_ONCE_MAX = 256;
const AT_ONCE_PER_CONNECTION_MAX = 8;
/** Seconds' worth of enrolments that may come at once: a truck of new gateways is switched on together. */
const BURST_S = 10;

/**
 * `POST /v1/enrolments`: docs/protocol.md §3.3. Anybody may ask, so it has places of its own and takes none of an upload. The
 * rate is for newcomers: who is known already needs no file and is told its state.
 */
export class Enrolments {
  readonly #context: EnrolmentContext;
  readonly #newcomers = new TokenBucket(BURST_S);
  readonly #budget = new BodyBudget(AT_ONCE_MAX * ENROLMENT_BYTES_MAX);
  readonly #perConnection = new WeakMap<object, number>();
  /** Of requests whose body is not here yet, the slowest first. */
  readonly #arriving = new Set<Place>();
  #atOnce = 0;

  constructor(context: EnrolmentContext) {
    this.#context = context;
  }

  /** `room` is the place of the connection. */
  async answer(request: AnyRequest, room: ConnectionPlace): Promise<Answer> {
    const connection = connectionOf(request);
    const here = this.#perConnection.get(connection) ?? 0;
    if (here >= AT_ONCE_PER_CONNECTION_MAX) return tooMany();
    // An honest request is here whole with its head: who lets us wait longest is the one to go.
    if (this.#atOnce >= AT_ONCE_MAX) first(this.#arriving)?.giveUp();
    if (this.#atOnce >= AT_ONCE_MAX) return tooMany();
    const place = this.#take(connection);
    const lease = this.#budget.open();
    try {
      const limits = { maxBytes: ENROLMENT_BYTES_MAX, idleMs: ENROLMENT_MS, totalMs: ENROLMENT_MS, bytesPerS: 0 };
      const body = await readBody(request, limits, lease, this.#context.clock, place.others);
      this.#arriving.delete(place);
      return body.ok ? await this.#enrol(body.value, connection, room) : bodyRefusal(body.reason, body.detail);
    } finally {
      lease.close();
      place.leave();
    }
  }

  /** Call `leave` when the request is answered; calling it again is harmless. */
  #take(connection: object): Place {
    const change = (by: number): void => {
      this.#atOnce += by;
      this.#perConnection.set(connection, (this.#perConnection.get(connection) ?? 0) + by);
    };
    const forOthers = new AbortController();
    let left = false;
    const leave = (): void => {
      if (!left) change(-1);
      left = true;
      this.#arriving.delete(place);
    };
    const giveUp = (): void => {
      leave();
      forOthers.abort();
    };
    const place: Place = { others: forOthers.signal, leave, giveUp };
    change(1);
    this.#arriving.add(place);
    return place;
  }

  async #enrol(body: Uint8Array, connection: object, room: ConnectionPlace): Promise<Answer> {
    const { registry, keyProofs, wrongSignatures, limits, clock, metrics, log } = this.#context;
    const claimed = claimedGateway(body);
    const name = claimed === undefined ? undefined : registry.get(hexOf(claimed))?.id;
    if (!wrongSignatures.mayTry(connection, name)) return tooMany();
    const opened = openEnrolment(body);
    if (!opened.ok) {
      wrongSignatures.failed(connection, name);
      const status = opened.reason === "enrolment-format" ? 400 : 401;
      return errorAnswer(status, opened.reason, opened.detail);
    }
    const known = registry.get(hexOf(opened.value.gateway));
    const before = known?.state;
    if (before === undefined && this.#newcomers.take(limits.enrolmentsPerS, clock.monotonicUs()) > 0) {
      // Keys are made for nothing: whoever goes on asking is not listened to for a while.
      wrongSignatures.failed(connection);
      return tooMany();
    }
    const gateway = await registry.enrol(opened.value, clock.wallMs());
    metrics.enrolments.inc({ state: gateway.state });
    if (before !== gateway.state) {
      log.info("enrolment", { gateway: gateway.id, label: gateway.label, state: gateway.state });
    }
    const { claimProblem } = gateway;
    if (claimProblem !== undefined && claimProblem !== known?.claimProblem) {
      log.warn("claim-not-taken", { gateway: gateway.id, label: gateway.label, why: claimProblem });
    }
    const status = { approved: 200, pending: 202, denied: 403 }[gateway.state];
    if (gateway.state === "approved") room.proven(gateway.id);
    if (gateway.state === "pending") room.known();
    const challenge = gateway.state === "denied" ? {} : { "paddock-challenge": keyProofs.challenge(gateway.id) };
    // That it did not do is all that the sender learns: the rest would tell who guesses which codes there are.
    const claim = claimProblem === undefined ? {} : { claim: "not-taken" };
    return jsonAnswer(status, { state: gateway.state, ...claim }, challenge);
  }
}

/** Of a request that is not answered yet. */
interface Place {
  /** Aborted when the place is given to somebody else. */
  readonly others: AbortSignal;
  readonly leave: () => void;
  readonly giveUp: () => void;
}

function first<Item>(set: ReadonlySet<Item>): Item | undefined {
  return set.values().next().value;
}

function tooMany(): Answer {
  return errorAnswer(429, "busy", "Too many enrolments at once.", { retryAfterS: BUSY_RETRY_S });
}
