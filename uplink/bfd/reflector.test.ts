import { createSocket } from "node:dgram";
import { once } from "node:events";
import { afterEach, describe, expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { seededRandom } from "@paddock/base/random.ts";
import { BFD_PACKET_BYTES, decodeBfdPacket, encodeBfdPacket } from "@paddock/wire/bfd-packet.ts";
import { FakeNetwork } from "./fake-network.ts";
import { BfdReflector, type PassiveOptions } from "./reflector.ts";
import type { SessionSpecInput } from "./session-spec.ts";
import { Speaker } from "./speaker.ts";

const QUESTION = encodeBfdPacket({
  diagnostic: 0,
  state: "up",
  poll: false,
  final: false,
  controlPlaneIndependent: false,
  demand: true,
  detectMult: 3,
  myDiscriminator: 42,
  yourDiscriminator: 900,
  desiredMinTxUs: 50_000,
  requiredMinRxUs: 50_000,
  requiredMinEchoRxUs: 0,
});

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

/** A reflector, and a way to ask it: gives its answer. */
async function reflectorAt(address: string) {
  const reflector = new BfdReflector({
    seamless: { listen: [{ address, port: 0 }], discriminators: [900], minIntervalMs: 20 },
  });
  cleanUps.push(() => reflector.close(0));
  const [port] = await reflector.start();
  const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  cleanUps.push(() => socket.close());
  socket.connect(port!, address);
  await once(socket, "connect");
  const ask = async (question: Buffer): Promise<Buffer> => {
    const answer = once(socket, "message") as Promise<[Buffer]>;
    socket.send(question);
    return (await answer)[0];
  };
  return { reflector, ask, send: (bytes: Buffer) => socket.send(bytes) };
}

test.each(["::1", "127.0.0.1"])("answers on %s, and says AdminDown once it is switched off", async (address) => {
  const { reflector, ask } = await reflectorAt(address);
  expect(expectAccepted(decodeBfdPacket(await ask(QUESTION)))).toMatchObject({
    state: "up",
    demand: false,
    myDiscriminator: 900,
    yourDiscriminator: 42,
    requiredMinRxUs: 20_000,
  });
  reflector.setDisabled(true);
  expect(expectAccepted(decodeBfdPacket(await ask(QUESTION))).state).toBe("admin-down");
  expect(reflector.report()).toMatchObject({ reflected: 2, sendErrors: 0, refused: {} });
});

test("what stands behind a question does not come back with the answer", async () => {
  const { ask } = await reflectorAt("::1");
  const answer = await ask(Buffer.concat([QUESTION, Buffer.from("something else")]));
  expect(answer).toHaveLength(BFD_PACKET_BYTES);
  expect(expectAccepted(decodeBfdPacket(answer)).yourDiscriminator).toBe(42);
});

test("counts what it refuses by cause and answers the next question", async () => {
  const { reflector, ask, send } = await reflectorAt("::1");
  send(Buffer.from("no BFD at all, though it is long enough"));
  send(QUESTION.subarray(0, 10));
  const unknown = Buffer.from(QUESTION);
  unknown.writeUInt32BE(901, 8);
  send(unknown);
  // One socket to another over the loopback: what was sent before has arrived before.
  await ask(QUESTION);
  expect(reflector.report()).toMatchObject({ reflected: 1, refused: { malformed: 2, "unknown-discriminator": 1 } });
});

/** Binds a port of ::1 (0: a free one), lets go of it, and says which it was. Throws when somebody has it. */
async function bound(port: number): Promise<number> {
  const socket = createSocket("udp6");
  const listening = once(socket, "listening");
  socket.bind({ address: "::1", port, exclusive: true });
  await listening;
  const address = socket.address();
  socket.close();
  await once(socket, "close");
  return address.port;
}

test("closed, it lets go of the port that passive sessions came in by", async () => {
  const port = await bound(0);
  const reflector = new BfdReflector({ passive: { addresses: ["::1"], port } });
  await reflector.start();
  await new Promise((done) => setImmediate(done));
  await expect(bound(port)).rejects.toThrow("EADDRINUSE");
  await reflector.close(0);
  expect(await bound(port)).toBe(port);
});

const stateOf = (speaker: Speaker) => speaker.report().sessions[0]!.state;

describe("passive multihop, in virtual time", () => {
  const HERE = "fd00::b";

  function passive(options: Partial<PassiveOptions> = {}) {
    const clock = new VirtualClock();
    const network = new FakeNetwork(clock);
    const reflector = new BfdReflector({ passive: { addresses: [HERE], ...options }, clock, transport: network });
    const gateway = (seed: number, local: string, change: Partial<SessionSpecInput> = {}): Speaker => {
      const afterReading = (callback: () => void): unknown => clock.after(0.05, callback);
      const speaker = new Speaker({ clock, transport: network, random: seededRandom(seed), afterReading });
      speaker.add({ name: "collector", kind: "multihop", local, remote: HERE, ...change });
      return speaker;
    };
    return { clock, network, reflector, gateway };
  }

  test("takes as many as it may, and the others when there is room again", async () => {
    const { clock, reflector, gateway } = passive({ sessionsMax: 2 });
    await reflector.start();
    const first = [gateway(1, "fd00::1"), gateway(2, "fd00::2")];
    clock.advance(5000);
    const third = gateway(3, "fd00::3");
    clock.advance(5000);
    expect([...first, third].map(stateOf)).toEqual(["up", "up", "down"]);
    expect(reflector.report().peers).toHaveLength(2);
    first[0]!.remove("collector");
    clock.advance(90_000);
    expect(stateOf(third)).toBe("up");
    expect(reflector.report().peers.map(({ remote }) => remote)).toEqual(["fd00::2", "fd00::3"]);
  });

  test("follows a peer to another address also when it takes no more peers", async () => {
    const { clock, network, reflector, gateway } = passive({ sessionsMax: 1 });
    await reflector.start();
    gateway(1, "fd00::1");
    clock.advance(5000);
    // Its address is another one on the way, in both directions.
    const [outside, inside] = ["fd00::9", HERE].map((from) => network.sender(from, () => {}));
    network.passes = (from, to, datagram) => {
      if (from === "fd00::1") outside!.send(datagram, to, 4784);
      if (to === "fd00::9") inside!.send(datagram, "fd00::1", 4784);
      return from !== "fd00::1" && to !== "fd00::9";
    };
    clock.advance(2000);
    expect(reflector.report().peers).toMatchObject([{ remote: "fd00::9", state: "up", refused: {} }]);
  });

  test("answers whom it may", async () => {
    const { clock, reflector, gateway } = passive({ allow: ["2001:db8::/32", "fd00::1"] });
    await reflector.start();
    const speakers = [gateway(1, "fd00::1"), gateway(2, "fd00::2"), gateway(3, "2001:db8:7::1")];
    clock.advance(5000);
    expect(speakers.map(stateOf)).toEqual(["up", "down", "up"]);
    expect(reflector.report().strangers["no-session"]).toBeGreaterThan(2);
  });

  test("keeps a slow session that is Up however long it is silent, and forgets one that is not", async () => {
    const { clock, network, reflector, gateway } = passive();
    await reflector.start();
    const slow = gateway(1, "fd00::1", { transmitIntervalMs: 60_000, detectMult: 5 });
    clock.advance(5000);
    expect(stateOf(slow)).toBe("up");
    clock.advance(200_000);
    // Silent beyond what others are forgotten after, and well within five minutes.
    network.passes = (from) => from !== "fd00::1";
    clock.advance(120_000);
    expect(reflector.report().peers).toMatchObject([{ state: "up" }]);
    clock.advance(600_000);
    // It reads its sockets until nothing new comes before it believes the silence, which takes turns of the real loop.
    for (let turn = 0; turn < 5; turn++) await new Promise((done) => setImmediate(done));
    clock.advance(120_000);
    expect(reflector.report().peers).toEqual([]);
  });
});
