import { BFD_PACKET_BYTES } from "@paddock/wire/bfd-packet.ts";
import { reflect, type Reflector, type ReflectProblem } from "./reflect.ts";

/** Why a question gets no answer. */
export type SeamlessProblem =
  | ReflectProblem
  /** It left from port 0, which names nobody to answer (RFC 768). */
  | "source-port-zero";

/** The part of a node:dgram socket that answers leave by. */
export interface AnswerSocket {
  send(answer: Buffer, port: number, address: string, onSent: (error: Error | null) => void): void;
}

/** Answers the seamless questions of all sockets, and counts them. */
export class SeamlessResponder {
  reflected = 0;
  sendErrors = 0;
  readonly refused: Partial<Record<SeamlessProblem, number>> = {};
  readonly #reflector: Reflector;
  readonly #onSent = (error: Error | null): void => {
    if (error !== null) this.sendErrors++;
  };

  constructor(reflector: Reflector) {
    this.#reflector = reflector;
  }

  /** Takes a datagram as it came, and its buffer for the answer. Never throws, whatever it is and whoever sent it. */
  take(socket: AnswerSocket, packet: Buffer, from: { readonly address: string; readonly port: number }): void {
    const problem = from.port === 0 ? "source-port-zero" : reflect(packet, this.#reflector);
    if (problem !== undefined) {
      this.refused[problem] = (this.refused[problem] ?? 0) + 1;
      return;
    }
    // A part of a buffer costs a second one, and a question is seldom longer than its answer.
    const answer = packet.length === BFD_PACKET_BYTES ? packet : packet.subarray(0, BFD_PACKET_BYTES);
    try {
      socket.send(answer, from.port, from.address, this.#onSent);
      this.reflected++;
    } catch {
      // Where node:dgram finds fault with an address, there is nobody to tell.
      this.sendErrors++;
    }
  }
}
