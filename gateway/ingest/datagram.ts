import { CoapView } from "@paddock/wire/coap-message.ts";
import type { Endpoint } from "./endpoints.ts";
import { RequestFields } from "./request.ts";

/** Sends an answer from the socket that took the request. One function per socket, not per datagram. */
export type Reply = (bytes: Uint8Array, to: Endpoint) => void;

/** The datagram in hand. One object, used again and again; what outlives the call must be copied out of it. */
export class Datagram {
  bytes: Uint8Array;
  from: Endpoint;
  /** CLOCK_MONOTONIC in µs. */
  receivedUs = 0;
  reply: Reply = () => {};
  readonly view = new CoapView();
  readonly fields = new RequestFields();

  constructor(bytes: Uint8Array, from: Endpoint) {
    this.bytes = bytes;
    this.from = from;
  }

  set(bytes: Uint8Array, from: Endpoint, receivedUs: number, reply: Reply): void {
    this.bytes = bytes;
    this.from = from;
    this.receivedUs = receivedUs;
    this.reply = reply;
  }
}
