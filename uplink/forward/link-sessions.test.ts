import { beforeEach, expect, test } from "vitest";
import { accept, refuse } from "@paddock/base/outcome.ts";
import type { ForwardEvent } from "./forward-state.ts";
import { LinkSessions } from "./link-sessions.ts";
import type { LinkFailure, OpenedLink } from "./ports.ts";
import { ToldLink } from "./testing/told-link.ts";

const FIBRE = { name: "fibre", endpoint: "https://[::1]:1", preference: 1 };
const LTE = { ...FIBRE, name: "lte" };

interface Attempt {
  readonly path: string;
  readonly signal: AbortSignal;
  readonly hurry: boolean | undefined;
  readonly succeed: (link: ToldLink) => void;
  readonly fail: (failure: LinkFailure) => void;
}

let attempts: Attempt[];
let told: ForwardEvent[];
let bytes: [path: string, bytes: number][];
let sessions: LinkSessions;

beforeEach(() => {
  attempts = [];
  told = [];
  bytes = [];
  sessions = new LinkSessions({
    openLink: ({ name: path }, signal, hurry) =>
      new Promise((resolve) =>
        attempts.push({
          path,
          signal,
          hurry,
          succeed: (link) => resolve(accept<OpenedLink>({ link, handshakeMs: 7 })),
          fail: (failure) => resolve(refuse(failure, "why not")),
        }),
      ),
    tell: (event) => told.push(event),
    onBytes: (...counted) => bytes.push(counted),
  });
});

/** A session that is open. */
async function opened(config = FIBRE): Promise<ToldLink> {
  const link = new ToldLink();
  const opening = sessions.open(config, false);
  attempts.at(-1)!.succeed(link);
  await opening;
  return link;
}

test("a session takes requests once it is open, and it is told how long that took", async () => {
  const opening = sessions.open(FIBRE, true);
  expect(attempts).toMatchObject([{ path: "fibre", hurry: true }]);
  expect(sessions.on("fibre")).toBeUndefined();
  const link = new ToldLink();
  attempts[0]!.succeed(link);
  await opening;
  expect(sessions.on("fibre")).toMatchObject({ link, signal: attempts[0]!.signal });
  expect(sessions.on("lte")).toBeUndefined();
  expect(told).toEqual([{ kind: "opened", path: "fibre", handshakeMs: 7 }]);
});

test("one that cannot be opened is told with its reason, and is none", async () => {
  const opening = sessions.open(FIBRE, false);
  attempts[0]!.fail("identity");
  await opening;
  expect(told).toEqual([{ kind: "open-failed", path: "fibre", failure: "identity", detail: "why not" }]);
  expect(sessions.on("fibre")).toBeUndefined();
});

test("one that comes after it is not wanted any more is closed, and nothing is told", async () => {
  const opening = sessions.open(FIBRE, false);
  sessions.close("fibre");
  expect(attempts[0]!.signal.aborted).toBe(true);
  const late = new ToldLink();
  attempts[0]!.succeed(late);
  await opening;
  expect([late.closed, told, sessions.on("fibre")]).toEqual([1, [], undefined]);
});

test("the failure of an attempt that was given up does not end the one after it", async () => {
  const first = sessions.open(FIBRE, false);
  const second = sessions.open(FIBRE, false);
  attempts[0]!.fail("unreachable");
  await first;
  const link = new ToldLink();
  attempts[1]!.succeed(link);
  await second;
  expect(sessions.on("fibre")?.link).toBe(link);
  expect(told.map(({ kind }) => kind)).toEqual(["opened"]);
});

test("one that goes away is told once, with its last bytes, and takes no more requests", async () => {
  const link = await opened();
  link.bytes = 500;
  link.gone("reset");
  expect(bytes).toEqual([["fibre", 500]]);
  expect(told.slice(1)).toEqual([{ kind: "closed", path: "fibre", detail: "reset" }]);
  expect(sessions.on("fibre")).toBeUndefined();
  // What the link says afterwards is nobody's.
  link.bytes = 900;
  sessions.countBytes();
  expect(bytes).toHaveLength(1);
});

test("one that has a successor still has its bytes counted until it is gone, and its end is no end of the path", async () => {
  const before = await opened();
  before.retire("GOAWAY");
  const next = await opened();
  expect(sessions.on("fibre")?.link).toBe(next);
  before.retire("GOAWAY again");
  before.bytes = 40;
  next.bytes = 2;
  sessions.countBytes();
  before.bytes = 100;
  before.gone("end");
  expect(bytes.toSorted((a, b) => a[1] - b[1])).toEqual([
    ["fibre", 2],
    ["fibre", 40],
    ["fibre", 60],
  ]);
  expect(told.map(({ kind }) => kind)).toEqual(["opened", "retiring", "opened"]);
  before.bytes = 1000;
  sessions.countBytes();
  expect(bytes).toHaveLength(3);
  sessions.close("fibre");
  expect([before.closed, next.closed]).toEqual([0, 1]);
});

test("closing a path ends its sessions, old and new, with what they carry, and none of another path", async () => {
  const old = await opened();
  const oldSignal = attempts[0]!.signal;
  const current = await opened();
  const other = await opened(LTE);
  for (const link of [old, current, other]) link.bytes = 10;
  sessions.close("fibre");
  expect([old.closed, current.closed, other.closed]).toEqual([1, 1, 0]);
  expect([oldSignal, attempts[1]!.signal, attempts[2]!.signal].map(({ aborted }) => aborted)).toEqual([
    true,
    true,
    false,
  ]);
  expect(bytes.map(([path]) => path).toSorted()).toEqual(["fibre", "fibre", "lte"]);
  expect([sessions.on("fibre"), sessions.on("lte")?.link]).toEqual([undefined, other]);
  sessions.close("fibre");
  expect([old.closed, current.closed]).toEqual([1, 1]);
});

test("bytes are handed on once, and only when there are new ones", async () => {
  const link = await opened();
  sessions.countBytes();
  link.bytes = 30;
  sessions.countBytes();
  sessions.countBytes();
  link.bytes = 31;
  sessions.countBytes();
  expect(bytes).toEqual([
    ["fibre", 30],
    ["fibre", 1],
  ]);
});
