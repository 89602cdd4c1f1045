import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { BfdPacket } from "@paddock/wire/bfd-packet.ts";
import { PEER_FIFO, setFifo } from "../bfd/priority.ts";
import { eventually, type Namespace } from "../namespaces.ts";

const PROGRAM = fileURLToPath(import.meta.resolve("./hand-peer-main.ts"));

/** What the peer says from now on. */
export interface HandPeerWords {
  readonly desiredMinTxUs: number;
  /** 0 asks for no periodic packets. */
  readonly requiredMinRxUs: number;
  readonly detectMult: number;
  readonly demand: boolean;
  /** Whether a Poll gets its Final. */
  readonly answersPolls: boolean;
}

/** `yours`: whatever discriminator the other end uses. */
export type HandPeerDiscriminator = number | "yours";

export interface HandPeerStart {
  readonly local: string;
  readonly remote: string;
  readonly discriminator: HandPeerDiscriminator;
}

export type HandPeerCommand =
  | { readonly do: "say"; readonly words: Partial<HandPeerWords> }
  | { readonly do: "poll" }
  | {
      readonly do: "restart";
      readonly discriminator: HandPeerDiscriminator;
      /** Once more with this one at the first packet for `discriminator`, before it can be Up. */
      readonly again?: HandPeerDiscriminator;
    };

/**
 * A peer made by hand, for what no daemon can be asked to do. It shakes hands, sends every 50 ms, never gives up for
 * silence, and says exactly what it is told.
 */
export class HandPeer {
  /** Every control packet that came in, in order. */
  readonly heard: BfdPacket[] = [];
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess) {
    this.#process = process;
  }

  static async start(namespace: Namespace, start: HandPeerStart): Promise<HandPeer> {
    const child = namespace.spawn(process.execPath, [PROGRAM, JSON.stringify(start)], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    const peer = new HandPeer(child);
    let ready = false;
    child.on("message", (message) => {
      if (message === "ready") ready = true;
      else peer.heard.push(message as BfdPacket);
    });
    await eventually("the peer made by hand listens", () => ready);
    setFifo(child.pid!, PEER_FIFO);
    return peer;
  }

  say(words: Partial<HandPeerWords>): void {
    this.#tell({ do: "say", words });
  }

  /** Asks for a Final, which also proves that everything said before was heard. */
  async poll(): Promise<void> {
    const before = this.#finals();
    this.#tell({ do: "poll" });
    await eventually("the Poll is answered", () => this.#finals() > before);
  }

  /** Forgets everything and begins anew, as a program that was killed and started. */
  restart(discriminator: HandPeerDiscriminator): void {
    this.#tell({ do: "restart", discriminator });
  }

  /** The same, and once more when the first packet for `first` comes, before that session can be Up. */
  restartTwice(first: HandPeerDiscriminator, last: HandPeerDiscriminator): void {
    this.#tell({ do: "restart", discriminator: first, again: last });
  }

  /** What comes in during so many milliseconds. */
  async listen(forMs: number): Promise<BfdPacket[]> {
    const before = this.heard.length;
    await new Promise((done) => setTimeout(done, forMs));
    return this.heard.slice(before);
  }

  stop(): void {
    this.#process.kill("SIGKILL");
  }

  #finals(): number {
    return this.heard.filter(({ final }) => final).length;
  }

  #tell(command: HandPeerCommand): void {
    this.#process.send(command);
  }
}
