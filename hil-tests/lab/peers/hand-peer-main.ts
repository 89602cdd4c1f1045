/* The program behind hand-peer.ts; its one argument is a HandPeerStart in JSON. Ends with its parent. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import {
  BFD_PORTS,
  type BfdPacket,
  type BfdState,
  decodeBfdPacket,
  encodeBfdPacket,
} from "@paddock/wire/bfd-packet.ts";
import type { HandPeerCommand, HandPeerStart, HandPeerWords } from "./hand-peer.ts";

const EVERY_MS = 50;
const SOURCE_PORT = 50_000;

const { local, remote, discriminator: first } = JSON.parse(process.argv[2]!) as HandPeerStart;
let words: HandPeerWords = {
  desiredMinTxUs: EVERY_MS * 1000,
  requiredMinRxUs: EVERY_MS * 1000,
  detectMult: 3,
  demand: false,
  answersPolls: true,
};
/** 0 while it is to be the other end's, which is not known yet. */
let mine = 0;
let theirs = 0;
let likeTheirs = false;
let state: BfdState = "down";
let polling = false;
let next: HandPeerStart["discriminator"] | undefined;

const listener = createSocket("udp6");
listener.bind({ address: local, port: BFD_PORTS.singleHop, exclusive: true });
const sender = createSocket("udp6");
sender.bind({ address: local, port: SOURCE_PORT, exclusive: true });
await Promise.all([once(listener, "listening"), once(sender, "listening")]);
sender.setTTL(255);

function begin(discriminator: HandPeerStart["discriminator"]): void {
  likeTheirs = discriminator === "yours";
  mine = discriminator === "yours" ? 0 : discriminator;
  theirs = 0;
  state = "down";
  polling = false;
  send({});
}

function send(flags: { final?: boolean }): void {
  if (mine === 0) return;
  const { final = false } = flags;
  const packet: BfdPacket = {
    diagnostic: 0,
    state,
    poll: polling && !final,
    final,
    controlPlaneIndependent: false,
    demand: words.demand && state === "up",
    detectMult: words.detectMult,
    myDiscriminator: mine,
    yourDiscriminator: theirs,
    desiredMinTxUs: words.desiredMinTxUs,
    requiredMinRxUs: words.requiredMinRxUs,
    requiredMinEchoRxUs: 0,
  };
  sender.send(encodeBfdPacket(packet), BFD_PORTS.singleHop, remote);
}

/** RFC 5880 §6.2, without AdminDown. */
function follow(theirState: BfdState): BfdState {
  if (state === "down") return theirState === "down" ? "init" : theirState === "init" ? "up" : "down";
  if (state === "init") return theirState === "init" || theirState === "up" ? "up" : "init";
  return theirState === "down" ? "down" : "up";
}

listener.on("message", (datagram) => {
  const decoded = decodeBfdPacket(datagram);
  if (!decoded.ok) return;
  const packet = decoded.value;
  if (likeTheirs && mine === 0) mine = packet.myDiscriminator;
  // What is meant for who we were before a restart.
  if (packet.yourDiscriminator !== 0 && packet.yourDiscriminator !== mine) return;
  process.send!(packet);
  if (next !== undefined && packet.yourDiscriminator === mine) {
    const last = next;
    next = undefined;
    return begin(last);
  }
  theirs = packet.myDiscriminator;
  if (packet.final) polling = false;
  const before = state;
  state = follow(packet.state);
  if (packet.poll && words.answersPolls) send({ final: true });
  if (state !== before) send({});
});

process.on("message", (command: HandPeerCommand) => {
  if (command.do === "restart") {
    next = command.again;
    return begin(command.discriminator);
  }
  if (command.do === "say") words = { ...words, ...command.words };
  else polling = true;
  send({});
});
process.on("disconnect", () => process.exit());

setInterval(() => send({}), EVERY_MS);
begin(first);
process.send!("ready");
