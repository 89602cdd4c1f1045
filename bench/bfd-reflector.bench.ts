/*
 * Packets per second that one seamless BFD reflector answers on one core: several senders in processes of their own
 * keep a fixed number of packets under way over ::1.
 *
 *     node bench/bfd-reflector.bench.ts [--seconds 3]
 */
import { fork } from "node:child_process";
import { createSocket } from "node:dgram";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { BfdReflector } from "@paddock/uplink/bfd/reflector.ts";
import { encodeBfdPacket } from "@paddock/wire/bfd-packet.ts";

const UNDER_WAY = 64;

if (process.send !== undefined) sender(Number(process.argv[2]));
else await measure();

async function measure(): Promise<void> {
  const { values } = parseArgs({ options: { seconds: { type: "string", default: "3" } } });
  const reflector = new BfdReflector({ seamless: { listen: [{ address: "::1", port: 0 }], discriminators: [900] } });
  const [port] = await reflector.start();
  const child = fork(fileURLToPath(import.meta.url), [String(port)]);
  await new Promise((done) => setTimeout(done, 500));
  const before = { count: reflector.report().reflected, cpu: process.cpuUsage(), at: performance.now() };
  await new Promise((done) => setTimeout(done, Number(values.seconds) * 1000));
  const seconds = (performance.now() - before.at) / 1000;
  const cpu = process.cpuUsage(before.cpu);
  const answered = reflector.report().reflected - before.count;
  const cores = (cpu.user + cpu.system) / 1e6 / seconds;
  const line = {
    perSecond: Math.round(answered / seconds),
    cores: Number(cores.toFixed(2)),
    perSecondOfOneCore: Math.round(answered / seconds / cores),
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
  child.kill();
  await reflector.close(0);
}

function sender(port: number): void {
  const question = encodeBfdPacket({
    diagnostic: 0,
    state: "up",
    poll: false,
    final: false,
    controlPlaneIndependent: false,
    demand: true,
    detectMult: 3,
    myDiscriminator: 1,
    yourDiscriminator: 900,
    desiredMinTxUs: 50_000,
    requiredMinRxUs: 50_000,
    requiredMinEchoRxUs: 0,
  });
  const socket = createSocket("udp6");
  socket.connect(port, "::1", () => {
    for (let index = 0; index < UNDER_WAY; index++) socket.send(question);
    // What the kernel dropped is replaced, so that the window stays full.
    setInterval(() => socket.send(question), 10);
  });
  socket.on("message", () => socket.send(question));
}
