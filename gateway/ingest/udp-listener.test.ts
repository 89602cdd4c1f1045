import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "@paddock/base/clock.ts";
import { jsonLinesLog, silentLog } from "@paddock/base/log.ts";
import { until } from "@paddock/base/testing/until.ts";
import { local, World } from "./fixture.ts";
import { sumKernelDrops } from "./kernel-drops.ts";
import { UdpListeners } from "./udp-listener.ts";
import { RECV_BUFFER_BYTES } from "./udp-socket.ts";

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

async function open(
  options: Partial<Parameters<typeof UdpListeners.open>[0]> = {},
): Promise<{ world: World; listeners: UdpListeners; log: string[] }> {
  const world = new World();
  const log: string[] = [];
  const listeners = await UdpListeners.open({
    ingest: world.ingest,
    clock: systemClock,
    log: jsonLinesLog("debug", (line) => void log.push(line)),
    listen: [{ address: "::1", port: 0 }],
    ...options,
  });
  cleanUps.push(() => listeners.close());
  return { world, listeners, log };
}

async function client(): Promise<Socket> {
  const socket = createSocket("udp6");
  socket.bind(0, "::1");
  await once(socket, "listening");
  cleanUps.push(() => socket.close());
  return socket;
}

/** A line of /proc/net/udp6. */
const socketLine = (port: string, drops: number) =>
  `  12: 00000000000000000000000001000000:${port} 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 ${drops}`;

describe("UDP listeners on ::1", () => {
  test("take frames on several sockets and answer from the one that was asked", async () => {
    const { world, listeners } = await open({
      listen: [
        { address: "::1", port: 0 },
        { address: "::", port: 0 },
      ],
    });
    const ports = listeners.addresses().map(({ port }) => port);
    expect(new Set(ports).size).toBe(2);
    for (const port of ports) {
      const socket = await client();
      const answered = once(socket, "message") as Promise<[Buffer, { port: number }]>;
      socket.send(world.encode({ messageId: 9, token: Buffer.of(3) }), port, "::1");
      const [answer, remote] = await answered;
      expect([answer.toString("hex"), remote.port]).toEqual(["6144000903", port]);
    }
    expect(world.sink.frames).toHaveLength(2);
  });

  test("plain datagrams go another way", async () => {
    const { world, listeners } = await open({ plainListen: [{ address: "::1", port: 0 }] });
    const plain = listeners.addresses().find(({ kind }) => kind === "plain")!;
    (await client()).send(Buffer.from("81a200617402190007", "hex"), plain.port, "::1");
    await until(() => world.sink.frames.length === 1);
    expect(world.ingest.counters.answers).toBe(0);
  });

  test("survive clients that are gone and answers that cannot be sent", async () => {
    const { world, listeners } = await open();
    const { port } = listeners.addresses()[0]!;
    for (let round = 0; round < 20; round++) {
      const gone = await client();
      await new Promise((resolve) => gone.send(world.encode({}), port, "::1", resolve));
      cleanUps.pop();
      gone.close();
    }
    await until(() => world.sink.frames.length === 20);
    const socket = await client();
    const answered = once(socket, "message");
    socket.send(world.encode({}), port, "::1");
    await answered;
    expect(world.sink.frames).toHaveLength(21);
  });

  test("an answer after the close is counted, not thrown", async () => {
    const { world, listeners } = await open();
    world.sink.slow = true;
    (await client()).send(world.encode({}), listeners.addresses()[0]!.port, "::1");
    await until(() => world.sink.waiting.length === 1);
    await listeners.close();
    world.sink.commit();
    expect(world.ingest.counters.sendErrors).toBe(1);
  });

  test("say when the kernel grants less receive buffer than asked", async () => {
    const { listeners, log } = await open();
    const small = listeners.addresses()[0]!.recvBufferBytes < RECV_BUFFER_BYTES;
    expect(log.some((line) => line.includes("receive-buffer-small") && line.includes("net.core.rmem_max"))).toBe(small);
  });

  test("bind all or nothing, and say what could not be bound", async () => {
    const { listeners } = await open();
    const taken = listeners.addresses()[0]!;
    await expect(
      UdpListeners.open({
        ingest: new World().ingest,
        clock: systemClock,
        log: silentLog,
        listen: [{ address: "::1", port: 0 }, taken],
      }),
    ).rejects.toMatchObject({
      code: "LISTEN_FAILED",
      message: expect.stringContaining(`[::1]:${taken.port}`) as string,
    });
  });

  test("a wildcard address that another gateway has is refused even where groups are joined", async () => {
    const wildcard = { listen: [{ address: "::", port: 0 }], multicast: true, addresses: [local("lo", "fe80::1")] };
    const { listeners, log } = await open(wildcard);
    expect(listeners.groups()).toEqual(["ff02::fd%lo#1", "ff05::fd lo#1"]);
    // fe80::1 is not there: the wildcard takes what is sent to it, and the next list is the next try.
    expect([listeners.ownSockets, log.filter((line) => !line.includes("receive-buffer"))]).toEqual([0, []]);
    await listeners.follow(wildcard.addresses);
    expect(log.filter((line) => line.includes("address-not-bound"))).toHaveLength(1);
    const port = listeners.addresses()[0]!.port;
    await expect(open({ ...wildcard, listen: [{ address: "::", port }] })).rejects.toMatchObject({
      code: "LISTEN_FAILED",
    });
  });

  test("a link that is not there is warned of, and the rest works; a listener elsewhere joins nothing", async () => {
    const addresses = [local("nowhere0", "fe80::1")];
    const { listeners, log } = await open({ listen: [{ address: "::", port: 0 }], multicast: true, addresses });
    expect([listeners.addresses().length, listeners.groups()]).toEqual([1, []]);
    expect(log.filter((line) => line.includes("multicast-not-joined") && line.includes("nowhere0"))).toHaveLength(2);
    await listeners.follow([]);
    const onLoopback = await open({ multicast: true, addresses: [local("lo", "fe80::1")] });
    expect(onLoopback.listeners.groups()).toEqual([]);
  });

  test("beside the wildcard each address has a socket of its own, as long as the address is there", async () => {
    const { world, listeners } = await open({ listen: [{ address: "::", port: 0 }], addresses: [local("lo", "::1")] });
    const { port } = listeners.addresses()[0]!;
    const ask = async (): Promise<string> => {
      const socket = await client();
      const answered = once(socket, "message") as Promise<[Buffer, { address: string }]>;
      socket.send(world.encode({}), port, "::1");
      return (await answered)[1].address;
    };
    expect([listeners.follows, listeners.ownSockets, await ask()]).toEqual([true, 1, "::1"]);
    await listeners.follow([]);
    expect([listeners.ownSockets, await ask()]).toEqual([0, "::1"]);
    await listeners.follow([local("lo", "::1")]);
    expect([listeners.ownSockets, await ask()]).toEqual([1, "::1"]);
    expect(world.sink.frames).toHaveLength(3);
  });

  test("more addresses than there are sockets for are left to the wildcard, and told once", async () => {
    const addresses = Array.from({ length: 130 }, (_, index) => local("lo", `2001:db8::${index.toString(16)}`));
    const { listeners, log } = await open({ listen: [{ address: "::", port: 0 }], addresses });
    await listeners.follow(addresses);
    expect(log.filter((line) => line.includes("addresses-too-many"))).toHaveLength(1);
    expect(log.filter((line) => line.includes("address-not-bound"))).toHaveLength(128);
  });

  test("count what the kernel dropped", async () => {
    const { listeners } = await open();
    expect(await listeners.kernelDrops()).toBe(process.platform === "linux" ? 0 : undefined);
    const table = [
      "  sl  local_address  remote_address ref pointer drops",
      socketLine("1633", 5),
      socketLine("1634", 7),
      socketLine("1633", 11),
      "",
    ].join("\n");
    expect(sumKernelDrops(table, new Set([0x1633]))).toBe(16);
  });
});
