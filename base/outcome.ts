/**
 * The result of looking at outside input: a value, or a named reason why not.
 *
 * Hostile or broken input is normal, so decoders return it instead of throwing. `reason` comes from a literal union
 * and doubles as the metric label; `detail` is a sentence for a person.
 */
export type Outcome<Value, Reason extends string = string> = Accepted<Value> | Refused<Reason>;

export interface Accepted<Value> {
  readonly ok: true;
  readonly value: Value;
}

export interface Refused<Reason extends string = string> {
  readonly ok: false;
  readonly reason: Reason;
  readonly detail: string;
}

export function accept<Value>(value: Value): Accepted<Value> {
  return { ok: true, value };
}

export function refuse<Reason extends string>(reason: Reason, detail: string): Refused<Reason> {
  return { ok: false, reason, detail };
}

/** The value of an outcome that can only be good here. Throws: a refusal at this place is a programmer error. */
export function expectAccepted<Value>(outcome: Outcome<Value>): Value {
  if (outcome.ok) return outcome.value;
  throw new Error(`expected an accepted outcome, got ${outcome.reason}: ${outcome.detail}`);
}
