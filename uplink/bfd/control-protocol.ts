import * as v from "valibot";
import { SESSION_SCHEMA } from "./session-spec.ts";

/*
 * The protocol of the speaker's Unix socket: one JSON object a line. Requests carry an `id` that the answer repeats;
 * after `subscribe`, events (speaker-events.ts) come on lines of their own, which have `event` and no `id`.
 */
const id = v.union([v.number(), v.string()]);
/** Whose session it is: every owner has names of its own. */
const { owner } = SESSION_SCHEMA.entries;

export const REQUEST_SCHEMA = v.variant("do", [
  v.strictObject({ id, do: v.literal("add"), session: SESSION_SCHEMA }),
  v.strictObject({ id, do: v.literal("change"), owner, name: v.string(), patch: v.record(v.string(), v.unknown()) }),
  v.strictObject({ id, do: v.literal("remove"), owner, name: v.string() }),
  v.strictObject({ id, do: v.literal("list") }),
  v.strictObject({ id, do: v.literal("subscribe") }),
]);

export type ControlRequest = v.InferInput<typeof REQUEST_SCHEMA>;

export type ControlResponse =
  | { readonly id: number | string | null; readonly ok: true; readonly result: unknown }
  | { readonly id: number | string | null; readonly ok: false; readonly code: string; readonly message: string };
