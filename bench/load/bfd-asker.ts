/*
 * Asks a seamless BFD reflector as often as it answers. Started by fork; tells how many answers it has got.
 *
 *     bfd-asker.ts PORT DISCRIMINATOR UNDER_WAY
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { encodeBfdPacket } from "@paddock/wire/bfd-packet.ts";
import { serveFork } from "./forked.ts";

/** What the kernel dropped is replaced at this pace, so that as many as were asked for stay under way at least. */
const REPLACE_MS = 10;

const [port, discriminator, underWay] = process.argv.slice(2).map(Number) as [number, number, number];
const question = encodeBfdPacket({
  diagnostic: 0,
  state: "up",
  poll: false,
  final: false,
  controlPlaneIndependent: false,
  demand: true,
  detectMult: 3,
  myDiscriminator: 1,
  yourDiscriminator: discriminator,
  desiredMinTxUs: 50_000,
  requiredMinRxUs: 50_000,
  requiredMinEchoRxUs: 0,
});
let count = 0;
const socket = createSocket("udp6");
socket.connect(port, "::1");
await once(socket, "connect");
socket.on("message", () => {
  count++;
  socket.send(question);
});
for (let index = 0; index < underWay; index++) socket.send(question);
setInterval(() => socket.send(question), REPLACE_MS);
serveFork({}, () => ({ count }));
