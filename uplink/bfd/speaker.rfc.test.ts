import { beforeEach, expect, test } from "vitest";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { seededRandom } from "@paddock/base/random.ts";
import { decodeBfdPacket } from "@paddock/wire/bfd-packet.ts";
import {
  A,
  auth,
  B,
  bothUp,
  clock,
  key,
  lastOf,
  left,
  network,
  reportOf,
  right,
  SESSION,
  setOnReading,
  setUp,
  states,
  words,
} from "./speaker-fixture.ts";
import { statusTable } from "./status-table.ts";

beforeEach(setUp);

test("packets leave within jitter's bounds, the timer's grain included", () => {
  for (const [intervalMs, detectMult, most] of [
    [10, 3, 1],
    [10, 1, 0.9],
    [10.5, 3, 1],
    [20, 1, 0.9],
    [50, 3, 1],
    [300, 1, 0.9],
  ] as const) {
    const timers = { intervalMs, detectMult, adaptive: false };
    bothUp(timers);
    clock.advance(2000);
    const first = network.sent.length;
    // Timers come up to a millisecond late besides, where the interval leaves room for it.
    const lateMs = intervalMs < 20 ? 0 : 0.9;
    const chance = seededRandom(9);
    const real = clock.after.bind(clock);
    clock.after = (delayMs, callback) => real(delayMs < 1 ? delayMs : delayMs + chance.float() * lateMs, callback);
    const times: number[] = [];
    network.passes = (from) => {
      if (from === A) times.push(clock.monotonicUs());
      return true;
    };
    clock.advance(20_000);
    network.passes = () => true;
    clock.after = real;
    expect(network.sent.length - first).toBeGreaterThan(100);
    const gaps = times.slice(1).map((time, index) => (time - times[index]!) / (intervalMs * 1000));
    expect(Math.max(...gaps), `${intervalMs} ms x${detectMult}`).toBeLessThanOrEqual(most);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(0.75);
    left.remove("one");
    right.remove("one");
  }
});

test("a stop is told more than once, also by a slow session", async () => {
  bothUp({ profile: "slow" });
  const before = network.sent.length;
  const closed = right.close();
  clock.advance(1200);
  await closed;
  const said = network.sent.slice(before).filter(({ route }) => route.local === B);
  expect(said.length).toBeGreaterThanOrEqual(3);
  expect(said.every(({ datagram }) => expectAccepted(decodeBfdPacket(datagram)).state === "admin-down")).toBe(true);
});

test("the end of a neighbour's AdminDown is unknown until Up, and no failure", () => {
  bothUp();
  right.change("one", { enabled: false });
  clock.advance(1000);
  // Deaf for a while after its return, so that ours is seen in Init and waits.
  network.passes = (from) => from === B;
  right.change("one", { enabled: true });
  clock.advance(2500);
  network.passes = () => true;
  clock.advance(5000);
  expect(reportOf(left)).toMatchObject({ liveness: "up", downs: 1 });
  const livenesses = states().map(({ liveness }) => liveness);
  expect(livenesses).toContain("unknown");
  expect(livenesses).not.toContain("down");
});

test("a session that was never up says for how long, and who speaks to its address from elsewhere", () => {
  left.add({ ...SESSION, local: "fe80::1%va", remote: "fe80::2%va" });
  left.receive({ kind: "single-hop", local: "fe80::1%va", localPort: 3784, remote: "2001:db8::2" }, words());
  clock.advance(30_000);
  expect(reportOf(left)).toMatchObject({ neverUpForMs: 30_000, strangerAddress: "2001:db8::2" });
  expect(statusTable(left.report(), clock.wallMs())).toMatch(
    /never up for 30 s; packets come from 2001:db8::2, not from fe80::2%va/,
  );
  clock.advance(31_000);
  expect(reportOf(left)).toMatchObject({ neverUpForMs: 61_000, strangerAddress: null });
  left.remove("one");
  bothUp();
  expect(reportOf(left)).toMatchObject({ neverUpForMs: null, strangerAddress: null });
  network.passes = () => false;
  clock.advance(5000);
  expect(reportOf(left)).toMatchObject({ liveness: "down", neverUpForMs: null });
});

test("silence is believed only after several rounds of reading, as long as something comes", () => {
  bothUp();
  let rounds = 0;
  const alive = lastOf(B);
  network.passes = () => false;
  const arrival = { kind: "single-hop", local: A, localPort: 3784, remote: B } as const;
  setOnReading(() => {
    // What is read before the detection time is over decides nothing.
    if (reportOf(left).sinceLastPacketMs! < 900) return;
    // A full socket: strangers' packets first, the peer's own a few rounds later.
    if (++rounds < 5) left.receive({ ...arrival, remote: "fd00::c" }, words());
    else if (rounds === 5) left.receive(arrival, alive);
  });
  clock.advance(1000);
  expect(rounds).toBeGreaterThanOrEqual(5);
  expect(reportOf(left)).toMatchObject({ state: "up", downs: 0 });
});

test("the sequence of an authenticated peer is forgotten after twice the detection time, not sooner", () => {
  bothUp(auth(key(1, "one")));
  const arrival = { kind: "single-hop", local: A, localPort: 3784, remote: B } as const;
  network.passes = () => false;
  const old = lastOf(B);
  clock.advance(1790 - reportOf(left).sinceLastPacketMs!);
  left.receive(arrival, Buffer.from(old));
  expect(reportOf(left).refused["auth-sequence"]).toBe(1);
  const { received } = reportOf(left);
  clock.advance(20);
  left.receive(arrival, Buffer.from(old));
  expect(reportOf(left)).toMatchObject({ received: received + 1, refused: { "auth-sequence": 1 } });
});
