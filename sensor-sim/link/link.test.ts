import { createHash, randomBytes } from "node:crypto";
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, test } from "vitest";
import { until } from "@paddock/base/testing/until.ts";
import { Link, type LinkOptions } from "./link.ts";

const cleanUps: (() => void)[] = [];
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp();
});

async function openLink(port: number, more: Partial<LinkOptions>): Promise<Link> {
  const link = await Link.open({
    listen: { address: "::1", port: 0 },
    target: { address: "::1", port },
    protocols: ["tcp"],
    ...more,
  });
  cleanUps.push(() => link.close());
  return link;
}

async function tcpServer(onConnection: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "::1", resolve));
  cleanUps.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

async function tcpClient(port: number): Promise<Socket> {
  const socket = connect({ host: "::1", port, allowHalfOpen: true });
  socket.on("error", () => {});
  cleanUps.push(() => socket.destroy());
  await new Promise((resolve) => socket.once("connect", resolve));
  return socket;
}

describe("streams", () => {
  test("10 MB come through delay, jitter and loss byte for byte, and so does the end", async () => {
    const sent = randomBytes(10 * 1024 * 1024);
    const port = await tcpServer((socket) => void socket.pipe(socket));
    const link = await openLink(port, { impairment: { delayMs: 5, jitterMs: 3, lossRate: 0.001 } });
    const client = await tcpClient(link.tcpPort!);
    const hash = createHash("sha256");
    let bytes = 0;
    client.on("data", (piece) => {
      hash.update(piece);
      bytes += piece.length;
    });
    const ended = new Promise((resolve) => client.once("end", resolve));
    client.end(sent);
    await ended;
    expect(bytes).toBe(sent.length);
    expect(hash.digest("hex")).toBe(createHash("sha256").update(sent).digest("hex"));
    await until(() => link.status.tcp!.streams === 0);
  });

  test("a receiver that does not read holds its sender back", async () => {
    const held: Socket[] = [];
    const port = await tcpServer((socket) => held.push(socket.pause()));
    const link = await openLink(port, {});
    const client = await tcpClient(link.tcpPort!);
    let drained = 0;
    const piece = Buffer.alloc(1024 * 1024, 7);
    const write = (): void => {
      while (drained < 64 && client.write(piece)) drained++;
    };
    client.on("drain", () => {
      drained++;
      write();
    });
    write();
    await until(() => held.length === 1);
    // What is taken is bounded by the window and the kernels' buffers; it settles well below the 64 MiB offered.
    let before = -1;
    while (before !== drained) {
      before = drained;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(drained).toBeLessThan(40);
    held[0]!.resume();
    await until(() => drained >= 64);
  });

  test("a black hole stalls a stream and holds new ones; healed, every byte arrives", async () => {
    const arrived: string[] = [];
    let connections = 0;
    const port = await tcpServer((socket) => {
      connections++;
      socket.setEncoding("utf8").on("data", (piece: string) => arrived.push(piece));
    });
    const link = await openLink(port, {});
    const client = await tcpClient(link.tcpPort!);
    client.write("before ");
    await until(() => arrived.join("") === "before ");
    link.cut();
    client.write("during ");
    const late = await tcpClient(link.tcpPort!);
    late.write("late ");
    await until(() => link.status.tcp!.streams === 2);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(arrived.join("")).toBe("before ");
    expect(connections).toBe(1);
    expect(client.destroyed || late.destroyed).toBe(false);
    link.heal();
    client.write("after");
    await until(() => arrived.join("").length === "before during late after".length);
    expect(connections).toBe(2);
  });

  test("a side that leaves during a black hole is noticed when it heals", async () => {
    const ends: string[] = [];
    const port = await tcpServer((socket) => socket.on("close", () => ends.push("closed")).resume());
    const link = await openLink(port, {});
    const client = await tcpClient(link.tcpPort!);
    await until(() => link.status.tcp!.streams === 1);
    link.cut();
    client.resetAndDestroy();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(ends).toEqual([]);
    link.heal();
    await until(() => ends.length === 1 && link.status.tcp!.streams === 0);
  });

  test("reset tears streams down, and new ones too, until it heals", async () => {
    const port = await tcpServer((socket) => void socket.pipe(socket));
    const link = await openLink(port, {});
    const client = await tcpClient(link.tcpPort!);
    link.cut("reset");
    await until(() => client.destroyed);
    const refused = connect({ host: "::1", port: link.tcpPort! });
    refused.on("error", () => {});
    await until(() => refused.destroyed);
    link.heal();
    const again = await tcpClient(link.tcpPort!);
    again.end("hello");
    expect(await text(again)).toBe("hello");
  });

  test("a target that is not there breaks the client's connection", async () => {
    const link = await openLink(1, {});
    const client = await tcpClient(link.tcpPort!);
    await until(() => client.destroyed);
  });
});

async function udpSocket(): Promise<UdpSocket> {
  const socket = createSocket({ type: "udp6", recvBufferSize: 4 * 1024 * 1024 });
  await new Promise<void>((resolve) => socket.bind({ address: "::1", port: 0 }, resolve));
  cleanUps.push(() => socket.close());
  return socket;
}

/** A target that answers every datagram with itself. */
async function echo(): Promise<UdpSocket> {
  const socket = await udpSocket();
  socket.on("message", (datagram, { port, address }) => socket.send(datagram, port, address));
  return socket;
}

function received(socket: UdpSocket): string[] {
  const texts: string[] = [];
  socket.on("message", (datagram) => texts.push(datagram.toString()));
  return texts;
}

describe("datagrams", () => {
  test("go both ways, and each client has its own answers", async () => {
    const target = await echo();
    const link = await openLink(target.address().port, { protocols: ["udp"], impairment: { delayMs: 5 } });
    const [one, two] = [await udpSocket(), await udpSocket()];
    const [toOne, toTwo] = [received(one), received(two)];
    one.send("one", link.udpPort, "::1");
    two.send("two", link.udpPort, "::1");
    await until(() => toOne.length + toTwo.length === 2);
    expect([toOne, toTwo]).toEqual([["one"], ["two"]]);
    expect(link.status.udp).toMatchObject({ clients: 2, carried: 4, dropped: 0 });
  });

  test("loss is counted, and what is not lost arrives whole", async () => {
    const target = await echo();
    const link = await openLink(target.address().port, { protocols: ["udp"], impairment: { lossRate: 0.3 }, seed: 5 });
    const client = await udpSocket();
    const answers = received(client);
    for (let n = 0; n < 200; n++) client.send(`datagram ${n}`, link.udpPort, "::1");
    // Each datagram counts once on the way there, and once on the way back unless it was dropped before.
    await until(() => {
      const { carried, dropped } = link.status.udp!;
      return answers.length + dropped === 200 && carried >= answers.length * 2;
    });
    expect(answers.length).toBeGreaterThan(60);
    expect(answers.length).toBeLessThan(140);
    for (const answer of answers) expect(answer).toMatch(/^datagram \d+$/);
  });

  test("a cut in one direction drops that direction alone", async () => {
    const target = await udpSocket();
    const arrived = received(target);
    target.on("message", (datagram, { port, address }) => target.send(datagram, port, address));
    const link = await openLink(target.address().port, { protocols: ["udp"] });
    const client = await udpSocket();
    const answers = received(client);
    link.cut("black-hole", ["from-target"]);
    client.send("half", link.udpPort, "::1");
    await until(() => arrived.length === 1 && link.status.udp!.dropped === 1);
    expect(answers).toEqual([]);
    link.cut("black-hole", ["to-target"]);
    client.send("none", link.udpPort, "::1");
    await until(() => link.status.udp!.dropped === 2);
    expect(arrived).toEqual(["half"]);
    link.heal();
    client.send("whole", link.udpPort, "::1");
    await until(() => answers.length === 1);
    expect(answers).toEqual(["whole"]);
  });
});
