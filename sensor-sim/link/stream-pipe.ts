import type { Socket } from "node:net";
import { DeliveryQueue } from "./delivery.ts";
import type { Direction, LinkState } from "./link-state.ts";

/** Bytes on the way in one direction of a stream before its sender is held back: the product of a fast link and a long delay. */
const WINDOW_BYTES = 4 * 1024 * 1024;

/** One direction of a relayed stream: every byte, in order, later; the end of the stream travels like a byte. */
export class StreamPipe {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #direction: Direction;
  readonly #state: LinkState;
  readonly #queue: DeliveryQueue;
  /** Pieces that have arrived and wait: the link stalls, or the receiver does not read. */
  #arrived: (Buffer | "end")[] = [];
  #bytesUnderWay = 0;
  #lastArrivalMs = 0;
  #receiverFull = false;

  constructor(from: Socket, to: Socket, direction: Direction, state: LinkState, queue: DeliveryQueue) {
    this.#from = from;
    this.#to = to;
    this.#direction = direction;
    this.#state = state;
    this.#queue = queue;
    from.on("data", (piece: Buffer) => {
      this.#bytesUnderWay += piece.length;
      this.#travel(piece, piece.length);
      this.throttle();
    });
    from.on("end", () => this.#travel("end", 1));
    to.on("drain", () => {
      this.#receiverFull = false;
      this.deliver();
    });
  }

  /** Reads from the sender or holds it back, as the link and what is under way demand. */
  throttle(): void {
    if (this.#from.destroyed) return;
    if (this.#state.streamsStall || this.#bytesUnderWay >= WINDOW_BYTES) this.#from.pause();
    else this.#from.resume();
  }

  /** Hands on what has arrived, unless the link stalls or the receiver is full. */
  deliver(): void {
    let count = 0;
    while (count < this.#arrived.length && !this.#receiverFull && !this.#state.streamsStall && !this.#to.destroyed) {
      const item = this.#arrived[count++]!;
      if (item === "end") this.#to.end();
      else {
        this.#bytesUnderWay -= item.length;
        this.#receiverFull = !this.#to.write(item);
      }
    }
    if (count === 0) return;
    this.#arrived = this.#arrived.slice(count);
    this.throttle();
  }

  #travel(item: Buffer | "end", bytes: number): void {
    const arrivesMs = this.#state.direction(this.#direction).piece(bytes, this.#queue.nowMs, this.#lastArrivalMs);
    this.#lastArrivalMs = arrivesMs;
    this.#queue.at(arrivesMs, () => {
      this.#arrived.push(item);
      this.deliver();
    });
  }
}
