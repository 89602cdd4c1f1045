import type { LogPlace } from "../log/log-place.ts";

/**
 * What a sink is at. `reading`: gathers rows. `waiting`: for another attempt after a failure. `stopped`: its place is none
 * of this log any more, and an operator has to say where it goes on.
 */
export type SinkPhase = "opening" | "reading" | "writing" | "rewinding" | "waiting" | "closing" | "paused" | "stopped";

export interface SinkLimits {
  readonly maxRows: number;
  /** Bytes of payloads. */
  readonly maxBytes: number;
  readonly maxDelayMs: number;
}

/** How much of the log a chunk covers, and how much it is. */
export interface ChunkExtent {
  readonly from: number;
  readonly to: number;
  readonly rows: number;
  readonly bytes: number;
  /** When its first item came. */
  readonly sinceMs: number;
}

export interface SinkMachine {
  readonly phase: SinkPhase;
  readonly limits: SinkLimits;
  /** Where the sink stands; undefined when it is empty, or was not asked yet. */
  readonly place: LogPlace | undefined;
  /** What was gathered, or is being written; a failed one is written again. */
  readonly chunk: ChunkExtent | undefined;
  /** Whether a feed is open behind what was gathered. */
  readonly isFeeding: boolean;
  readonly wantsPause: boolean;
  /** Where an operator wants it to go on, until it stands there. */
  readonly rewindTo: LogPlace | undefined;
  /** In a row. */
  readonly failures: number;
  /** What keeps it from going on, for people. */
  readonly problem: string | undefined;
  /** When the next attempt is due, while it waits. */
  readonly dueMs: number | undefined;
}

export type SinkEvent =
  | { readonly is: "opened"; readonly place: LogPlace | undefined }
  | { readonly is: "gathered"; readonly to: number; readonly rows: number; readonly bytes: number }
  /** A time that was asked for has come. */
  | { readonly is: "due" }
  | { readonly is: "written"; readonly place: LogPlace }
  | { readonly is: "rewound"; readonly place: LogPlace }
  | { readonly is: "closed" }
  | { readonly is: "failed"; readonly message: string }
  | { readonly is: "drifted"; readonly message: string }
  | { readonly is: "pause" }
  | { readonly is: "resume" }
  | { readonly is: "rebuild"; readonly place: LogPlace };

export type SinkAction =
  | { readonly do: "open" }
  /** Opens a feed at the place and gathers from it. */
  | { readonly do: "read"; readonly place: LogPlace | undefined }
  /** Gathers one more item of the feed, or goes on waiting for it. */
  | { readonly do: "gather" }
  | { readonly do: "write" }
  /** Forgets what was gathered; the feed stands behind it. */
  | { readonly do: "forget" }
  /** Forgets what was gathered, and lets go of the feed. */
  | { readonly do: "drop" }
  | { readonly do: "rewind"; readonly place: LogPlace }
  | { readonly do: "close" }
  | { readonly do: "wake"; readonly inMs: number };

export interface SinkStep {
  readonly machine: SinkMachine;
  readonly actions: readonly SinkAction[];
}

const BACK_OFF_FIRST_MS = 250;
const BACK_OFF_LAST_MS = 60_000;

/** A sink that starts, paused or not. Times are of any clock that only goes forward, in ms. */
export function startSink(limits: SinkLimits, isPaused: boolean): SinkStep {
  const machine: SinkMachine = {
    phase: isPaused ? "paused" : "opening",
    limits,
    place: undefined,
    chunk: undefined,
    isFeeding: false,
    wantsPause: isPaused,
    rewindTo: undefined,
    failures: 0,
    problem: undefined,
    dueMs: undefined,
  };
  return { machine, actions: isPaused ? [] : [{ do: "open" }] };
}

/** The next state and what has to be done; `chance` is in [0, 1). Of open, write, rewind and close one is done at a time. */
export function stepSink(machine: SinkMachine, event: SinkEvent, nowMs: number, chance: number): SinkStep {
  switch (event.is) {
    case "opened":
      return opened(machine, event.place);
    case "gathered":
      return gathered(machine, event, nowMs);
    case "due":
      return due(machine, nowMs);
    case "written":
      return settle({ ...machine, place: event.place, chunk: undefined, failures: 0, problem: undefined });
    case "rewound":
      // Another rebuild may have been asked for meanwhile.
      return settle({
        ...machine,
        place: event.place,
        rewindTo: machine.rewindTo?.offset === event.place.offset ? undefined : machine.rewindTo,
        failures: 0,
        problem: undefined,
      });
    case "closed":
      return closed(machine);
    case "failed":
      return failed(machine, event.message, nowMs, chance);
    case "drifted":
      return {
        machine: { ...dropped(machine), phase: "stopped", problem: event.message },
        actions: [{ do: "drop" }],
      };
    case "pause":
      return commanded({ ...machine, wantsPause: true });
    case "resume":
      return commanded({ ...machine, wantsPause: false });
    case "rebuild":
      return commanded({ ...machine, rewindTo: event.place });
  }
}

function opened(machine: SinkMachine, place: LogPlace | undefined): SinkStep {
  const open = { ...machine, place };
  const { chunk } = machine;
  const offset = place?.offset ?? 0;
  if (chunk === undefined || offset === chunk.from) return settle(open);
  // It failed to say that it had kept it.
  if (offset === chunk.to) return after([{ do: "forget" }], settle({ ...open, chunk: undefined }));
  return after([{ do: "drop" }], settle(dropped(open)));
}

function gathered(
  machine: SinkMachine,
  { to, rows, bytes }: Extract<SinkEvent, { is: "gathered" }>,
  nowMs: number,
): SinkStep {
  const { chunk: before, limits } = machine;
  const chunk = {
    from: before?.from ?? machine.place?.offset ?? 0,
    to,
    rows: (before?.rows ?? 0) + rows,
    bytes: (before?.bytes ?? 0) + bytes,
    sinceMs: before?.sinceMs ?? nowMs,
  };
  const next = { ...machine, chunk };
  const leftMs = chunk.sinceMs + limits.maxDelayMs - nowMs;
  if (chunk.rows >= limits.maxRows || chunk.bytes >= limits.maxBytes || leftMs <= 0) return settle(next);
  const wake: SinkAction[] = before === undefined ? [{ do: "wake", inMs: leftMs }] : [];
  return { machine: next, actions: [...wake, { do: "gather" }] };
}

function due(machine: SinkMachine, nowMs: number): SinkStep {
  const { phase, chunk, limits, dueMs } = machine;
  if (phase === "waiting" && dueMs !== undefined) {
    return nowMs < dueMs ? { machine, actions: [{ do: "wake", inMs: dueMs - nowMs }] } : opening(machine);
  }
  if (phase !== "reading" || chunk === undefined) return { machine, actions: [] };
  const leftMs = chunk.sinceMs + limits.maxDelayMs - nowMs;
  return leftMs > 0 ? { machine, actions: [{ do: "wake", inMs: leftMs }] } : settle(machine);
}

function closed(machine: SinkMachine): SinkStep {
  if (!machine.wantsPause || machine.rewindTo !== undefined) return opening(machine);
  return { machine: { ...machine, phase: "paused", failures: 0, problem: undefined }, actions: [] };
}

function failed(machine: SinkMachine, message: string, nowMs: number, chance: number): SinkStep {
  // What does not even close is left alone.
  if (machine.phase === "closing") return closed(machine);
  const failures = machine.failures + 1;
  const fullMs = Math.min(BACK_OFF_LAST_MS, BACK_OFF_FIRST_MS * 2 ** Math.min(failures - 1, 20));
  const inMs = Math.ceil(fullMs * (0.5 + chance / 2));
  const isHalfGathered = machine.phase === "reading";
  const kept = isHalfGathered ? dropped(machine) : machine;
  const actions: SinkAction[] = isHalfGathered ? [{ do: "drop" }] : [];
  return {
    machine: { ...kept, phase: "waiting", failures, problem: message, dueMs: nowMs + inMs },
    actions: [...actions, { do: "wake", inMs }],
  };
}

/** An operator's wish: what is being done is done first. */
function commanded(machine: SinkMachine): SinkStep {
  switch (machine.phase) {
    case "reading":
    case "stopped":
      return machine.wantsPause || machine.rewindTo !== undefined ? settle(machine) : { machine, actions: [] };
    case "waiting":
      return machine.wantsPause && machine.rewindTo === undefined ? closing(machine) : opening(machine);
    case "paused":
      return machine.wantsPause && machine.rewindTo === undefined ? { machine, actions: [] } : opening(machine);
    default:
      return { machine, actions: [] };
  }
}

/** What comes next for a sink that is open and at rest. */
function settle(machine: SinkMachine): SinkStep {
  const { rewindTo, place, chunk } = machine;
  // Going on further ahead would pass over what lies between.
  if (rewindTo !== undefined && rewindTo.offset > (place?.offset ?? 0))
    return settle({ ...machine, rewindTo: undefined });
  if (rewindTo !== undefined) {
    const actions: SinkAction[] = [{ do: "drop" }, { do: "rewind", place: rewindTo }];
    return { machine: { ...dropped(machine), phase: "rewinding" }, actions };
  }
  if (machine.wantsPause) return closing(machine);
  if (chunk !== undefined) return { machine: { ...machine, phase: "writing" }, actions: [{ do: "write" }] };
  const reading = { ...machine, phase: "reading", failures: 0, problem: undefined } as const;
  if (machine.isFeeding) return { machine: reading, actions: [{ do: "gather" }] };
  return { machine: { ...reading, isFeeding: true }, actions: [{ do: "read", place }] };
}

function after(actions: readonly SinkAction[], next: SinkStep): SinkStep {
  return { machine: next.machine, actions: [...actions, ...next.actions] };
}

function closing(machine: SinkMachine): SinkStep {
  return { machine: { ...dropped(machine), phase: "closing" }, actions: [{ do: "drop" }, { do: "close" }] };
}

function opening(machine: SinkMachine): SinkStep {
  return { machine: { ...machine, phase: "opening", dueMs: undefined }, actions: [{ do: "open" }] };
}

function dropped(machine: SinkMachine): SinkMachine {
  return { ...machine, chunk: undefined, isFeeding: false };
}
