import { expect } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { seededRandom } from "@paddock/base/random.ts";
import { type BfdPacket, decodeBfdPacket, encodeBfdPacket } from "@paddock/wire/bfd-packet.ts";
import { FakeNetwork } from "./fake-network.ts";
import type { SessionSpecInput } from "./session-spec.ts";
import type { SpeakerEvent, StateEvent } from "./speaker-events.ts";
import { Speaker } from "./speaker.ts";

export const A = "fd00::a";
export const B = "fd00::b";

export let clock: VirtualClock;
export let network: FakeNetwork;
export let left: Speaker;
export let right: Speaker;
export let events: SpeakerEvent[];
/** Called after each round of reading. */
let onReading: () => void;

/** Two speakers on a wire of their own in virtual time; `events` are those of the left one. */
export function setUp(): void {
  clock = new VirtualClock();
  network = new FakeNetwork(clock);
  const speaker = (seed: number) =>
    new Speaker({
      clock,
      random: seededRandom(seed),
      transport: network,
      afterReading: (callback) =>
        clock.after(0.05, () => {
          onReading();
          callback();
        }),
    });
  left = speaker(1);
  right = speaker(2);
  events = [];
  left.subscribe((event) => events.push(event));
  onReading = () => {};
}

export function setOnReading(callback: () => void): void {
  onReading = callback;
}

export const SESSION: SessionSpecInput = { name: "one", kind: "single-hop", local: A, remote: B };
export const MIRROR: SessionSpecInput = { ...SESSION, local: B, remote: A };

export function bothUp(change: Partial<SessionSpecInput> = {}, mirrorChange = change): void {
  left.add({ ...SESSION, ...change });
  right.add({ ...MIRROR, ...mirrorChange });
  clock.advance(5000);
  expect(reportOf(left)).toMatchObject({ state: "up", liveness: "up" });
  expect(reportOf(right)).toMatchObject({ state: "up", liveness: "up" });
}

export function reportOf(speaker: Speaker, name = "one") {
  const report = speaker.report().sessions.find((session) => session.name === name);
  if (report === undefined) throw new Error(`no session ${name}`);
  return report;
}

export function states(): StateEvent[] {
  return events.filter((event) => event.event === "state");
}

export const key = (id: number, secret: string) => ({ id, secret });
export const auth = (...keys: { id: number; secret: string }[]) => ({
  auth: { type: "meticulous-keyed-sha1" as const, keys },
});

/** What a raw peer says, as bytes. */
export function words(change: Partial<BfdPacket> = {}): Buffer {
  return encodeBfdPacket({
    diagnostic: 0,
    state: "down",
    poll: false,
    final: false,
    controlPlaneIndependent: false,
    demand: false,
    detectMult: 3,
    myDiscriminator: 77,
    yourDiscriminator: 0,
    desiredMinTxUs: 1_000_000,
    requiredMinRxUs: 300_000,
    requiredMinEchoRxUs: 0,
    ...change,
  });
}

/** What has been sent to an address, decoded. */
export function sentTo(remote: string): BfdPacket[] {
  return network.sent.flatMap(({ route, datagram }) => {
    const decoded = decodeBfdPacket(datagram);
    return route.remote === remote && decoded.ok ? [decoded.value] : [];
  });
}

/** The newest datagram that an address has sent. */
export function lastOf(local: string): Buffer {
  return Buffer.from(network.sent.findLast(({ route }) => route.local === local)!.datagram);
}
