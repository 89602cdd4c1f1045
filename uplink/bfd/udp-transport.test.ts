import { createSocket, Socket } from "node:dgram";
import { once } from "node:events";
import { afterEach, describe, expect, test, vi } from "vitest";
import { systemClock } from "@paddock/base/clock.ts";
import { systemRandom } from "@paddock/base/random.ts";
import { until } from "@paddock/base/testing/until.ts";
import { BfdReflector } from "./reflector.ts";
import type { SessionSpecInput } from "./session-spec.ts";
import type { SpeakerEvent } from "./speaker-events.ts";
import { Speaker } from "./speaker.ts";
import { UdpTransport } from "./udp-transport.ts";

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

/** A UDP port that was free a moment ago. */
async function freePort(): Promise<number> {
  const socket = createSocket("udp6");
  socket.bind(0, "::1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  return port;
}

function speaker(): { speaker: Speaker; events: SpeakerEvent[] } {
  const made = new Speaker();
  const events: SpeakerEvent[] = [];
  made.subscribe((event) => events.push(event));
  cleanUps.push(() => made.close(0));
  return { speaker: made, events };
}

const nothing = (): void => {};

function stateOf(which: Speaker, name = "one") {
  return which.report().sessions.find((session) => session.name === name);
}

async function pair(change: Partial<SessionSpecInput> = {}) {
  const [here, there] = [await freePort(), await freePort()];
  const left = speaker();
  const right = speaker();
  const base = {
    name: "one",
    kind: "multihop",
    local: "::1",
    remote: "::1",
    intervalMs: 100,
    // A busy machine may stand still for longer than the usual three packets.
    detectMult: 20,
    adaptive: false,
    ...change,
  } as const;
  const mirror: SessionSpecInput = { ...base, localPort: there, remotePort: here };
  left.speaker.add({ ...base, localPort: here, remotePort: there });
  right.speaker.add(mirror);
  await until(() => {
    expect(stateOf(left.speaker)?.state).toBe("up");
    expect(stateOf(right.speaker)?.state).toBe("up");
  });
  return { left, right, mirror };
}

describe("two speakers on ::1", () => {
  test("come Up, negotiate, and see each other go", async () => {
    const { left, right } = await pair();
    await until(() => expect(stateOf(left.speaker)).toMatchObject({ transmitIntervalMs: 100, detectionTimeMs: 2000 }));
    right.speaker.remove("one");
    await until(() => expect(stateOf(left.speaker)).toMatchObject({ state: "down", liveness: "unknown" }));
    // Nobody listens there any more: the ICMP error is counted, and the process lives.
    await until(() => expect(stateOf(left.speaker)!.socketErrors["ECONNREFUSED"]).toBeGreaterThan(0));
    expect(left.events.filter(({ event }) => event === "transport")).toEqual([]);
  });

  test.each(["simple-password", "keyed-md5", "meticulous-keyed-sha1"] as const)("authenticate by %s", async (type) => {
    const { left } = await pair({ auth: { type, keys: [{ id: 3, secret: "s3cr3t" }] } });
    expect(stateOf(left.speaker)?.refused).toEqual({});
  });
});

describe("the collector's reflector on ::1", () => {
  test("answers seamless initiators and says when it is switched off", async () => {
    const reflector = new BfdReflector({ seamless: { listen: [{ address: "::1", port: 0 }], discriminators: [900] } });
    cleanUps.push(() => reflector.close(0));
    const [port] = await reflector.start();
    const { speaker: gateway } = speaker();
    for (const name of ["one", "two"]) {
      gateway.add({
        name,
        kind: "seamless",
        local: "::1",
        remote: "::1",
        remotePort: port!,
        remoteDiscriminator: 900,
        intervalMs: 100,
      });
    }
    await until(() => expect(stateOf(gateway, "two")?.liveness).toBe("up"));
    await until(() => expect(stateOf(gateway)?.rttMs).toBeLessThan(100));
    reflector.setDisabled(true);
    await until(() => expect(stateOf(gateway)).toMatchObject({ state: "down", liveness: "unknown" }));
    expect(reflector.report().reflected).toBeGreaterThan(2);
  });

  test("makes passive multihop sessions for whoever is allowed", async () => {
    const [here, there] = [await freePort(), await freePort()];
    const reflector = new BfdReflector({
      passive: {
        addresses: ["::1"],
        port: there,
        remotePort: here,
        intervalMs: 100,
        allow: ["::1"],
      },
    });
    cleanUps.push(() => reflector.close(0));
    await reflector.start();
    const { speaker: gateway } = speaker();
    gateway.add({
      name: "one",
      kind: "multihop",
      local: "::1",
      remote: "::1",
      localPort: here,
      remotePort: there,
      intervalMs: 100,
    });
    await until(() => expect(stateOf(gateway)?.liveness).toBe("up"));
    expect(reflector.report().peers).toMatchObject([{ remote: "::1", kind: "multihop" }]);
  });

  test("refuses a port that is taken", async () => {
    const taken = createSocket("udp6");
    cleanUps.push(() => taken.close());
    taken.bind(0, "::1");
    await once(taken, "listening");
    const { port } = taken.address();
    const reflector = new BfdReflector({ seamless: { listen: [{ address: "::1", port }], discriminators: [1] } });
    await expect(reflector.start()).rejects.toMatchObject({ code: "LISTEN_FAILED" });
  });
});

test("echo over the loopback comes Up", async () => {
  const { speaker: gateway } = speaker();
  gateway.add({ name: "one", kind: "echo", local: "::1", localPort: await freePort(), intervalMs: 100 });
  await until(() => expect(stateOf(gateway)?.liveness).toBe("up"));
});

describe("sockets", () => {
  test("send from the port range of RFC 5881, with a constant port", async () => {
    const sink: Socket = createSocket("udp6");
    cleanUps.push(() => sink.close());
    sink.bind(0, "::1");
    await once(sink, "listening");
    const ports: number[] = [];
    sink.on("message", (_datagram, from) => ports.push(from.port));
    const transport = new UdpTransport(systemClock, systemRandom);
    const route = { local: "::1", localPort: undefined, remote: "::1", remotePort: sink.address().port };
    const channel = transport.connect(
      route,
      () => {},
      () => {},
    );
    cleanUps.push(() => channel.close());
    await until(() => {
      channel.send(Buffer.from("x"));
      expect(ports.length).toBeGreaterThan(3);
    });
    expect(new Set(ports).size).toBe(1);
    expect(ports[0]).toBeGreaterThanOrEqual(49_152);
  });

  test("RFC 5881 5: whatever is opened sends with hop limit 255", async () => {
    const setTTL = vi.spyOn(Socket.prototype, "setTTL");
    cleanUps.push(() => setTTL.mockRestore());
    const transport = new UdpTransport(systemClock, systemRandom);
    const opened = [
      transport.listen("::1", await freePort(), nothing, nothing),
      transport.connect({ local: "::1", localPort: undefined, remote: "::1", remotePort: 9 }, nothing, nothing),
      transport.sender("::1", nothing),
    ];
    for (const socket of opened) cleanUps.push(() => socket.close());
    await until(() => expect(setTTL.mock.calls).toEqual([[255], [255], [255]]));
    const reflector = new BfdReflector({ seamless: { listen: [{ address: "::1", port: 0 }], discriminators: [1] } });
    cleanUps.push(() => reflector.close(0));
    await reflector.start();
    expect(setTTL.mock.calls.at(-1)).toEqual([255]);
    expect(setTTL).toHaveBeenCalledTimes(4);
  });

  test("RFC 5881 4: turned toward another address, it still sends from its port", async () => {
    const sink: Socket = createSocket("udp4");
    cleanUps.push(() => sink.close());
    sink.bind(0, "0.0.0.0");
    await once(sink, "listening");
    const heard: { text: string; port: number }[] = [];
    sink.on("message", (datagram, from) => heard.push({ text: String(datagram), port: from.port }));
    const route = { local: "127.0.0.1", localPort: undefined, remote: "127.0.0.1", remotePort: sink.address().port };
    const channel = new UdpTransport(systemClock, systemRandom).connect(route, nothing, nothing);
    cleanUps.push(() => channel.close());
    for (const [text, remote] of [
      ["here", "127.0.0.1"],
      ["there", "127.0.0.2"],
    ] as const) {
      channel.turn(remote);
      await until(() => {
        channel.send(Buffer.from(text));
        expect(heard.map((each) => each.text)).toContain(text);
      });
    }
    expect(new Set(heard.map(({ port }) => port)).size).toBe(1);
  });

  test("RFC 5881 4: opened again, because its address was gone, it sends from its port", async () => {
    const bind = vi.spyOn(Socket.prototype, "bind");
    cleanUps.push(() => bind.mockRestore());
    const route = { local: "2001:db8::1", localPort: undefined, remote: "2001:db8::2", remotePort: 9 };
    const onProblem = vi.fn<(code: string) => void>();
    const channel = new UdpTransport(systemClock, systemRandom).connect(route, () => {}, onProblem);
    cleanUps.push(() => channel.close());
    await until(() => expect(onProblem.mock.calls.length).toBeGreaterThan(2));
    const ports = bind.mock.calls.map(([options]) => (options as unknown as { port: number }).port);
    expect(ports.length).toBeGreaterThan(2);
    expect(new Set(ports).size).toBe(1);
  });

  test("ports that are all taken are a problem that is told and tried again, not an endless loop", async () => {
    const taken = createSocket("udp6");
    cleanUps.push(() => taken.close());
    const index = 16_000 + systemRandom.below(300);
    taken.bind({ port: 49_152 + index, address: "::1", exclusive: true });
    await once(taken, "listening");
    const below = vi.fn(() => index);
    const onProblem = vi.fn<(code: string) => void>();
    const transport = new UdpTransport(systemClock, { ...systemRandom, below });
    const sender = transport.sender("::1", onProblem);
    cleanUps.push(() => sender.close());
    await until(() => expect(onProblem.mock.calls).toEqual([["EADDRINUSE"]]));
    expect(below).toHaveBeenCalledTimes(16);
  });

  test("a send that node:dgram refuses is a problem that is told, not an exception", async () => {
    const onProblem = vi.fn<(code: string) => void>();
    const sender = new UdpTransport(systemClock, systemRandom).sender("::1", onProblem);
    cleanUps.push(() => sender.close());
    await until(() => {
      sender.send(Buffer.from("x"), "::1", 0);
      expect(onProblem).toHaveBeenCalledWith("ERR_SOCKET_BAD_PORT");
    });
  });

  test("an address that is not there yet is reported and tried again", async () => {
    const { speaker: gateway, events } = speaker();
    gateway.add({
      name: "one",
      kind: "multihop",
      local: "2001:db8::1",
      remote: "2001:db8::2",
      localPort: await freePort(),
    });
    await until(() => expect(stateOf(gateway)?.socketErrors["EADDRNOTAVAIL"]).toBeGreaterThan(2));
    expect(events.filter(({ event }) => event === "transport")).toMatchObject([{ code: "EADDRNOTAVAIL" }]);
  });
});
