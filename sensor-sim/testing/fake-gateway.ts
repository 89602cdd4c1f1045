import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { readBlock } from "@paddock/wire/coap-block.ts";
import {
  CODE_CHANGED,
  CODE_CONTINUE,
  CODE_EMPTY,
  isRequest,
  TYPE_ACK,
  TYPE_CON,
  TYPE_NON,
  type CoapType,
} from "@paddock/wire/coap-codes.ts";
import { encodeMessage, readMessage, type CoapMessage, type CoapOption } from "@paddock/wire/coap-message.ts";
import { OPTION_BLOCK1 } from "@paddock/wire/coap-options.ts";

export interface FakeReply {
  readonly code: number;
  readonly options?: readonly CoapOption[];
  /** Answers with an empty ACK first and a CON later. */
  readonly separate?: boolean;
}

export interface SeenRequest {
  readonly message: CoapMessage;
  readonly from: string;
}

/** A CoAP server for tests: it keeps what it sees and answers as it is told. No store, no checks. */
export class FakeGateway {
  readonly seen: SeenRequest[] = [];
  /** Empty messages: ACKs of separate answers. */
  readonly empty: CoapMessage[] = [];
  readonly #socket: Socket;
  readonly #reply: (request: CoapMessage, index: number) => FakeReply | "silence" | "reset";
  #messageId = 1;

  private constructor(socket: Socket, reply: (request: CoapMessage, index: number) => FakeReply | "silence" | "reset") {
    this.#socket = socket;
    this.#reply = reply;
    socket.on("message", (datagram, remote) => this.#take(Buffer.from(datagram), remote));
  }

  static async open(
    reply: (request: CoapMessage, index: number) => FakeReply | "silence" | "reset" = answerByBlock,
  ): Promise<FakeGateway> {
    const socket = createSocket("udp6");
    await new Promise<void>((resolve) => socket.bind({ address: "::1", port: 0 }, resolve));
    return new FakeGateway(socket, reply);
  }

  get target() {
    return { address: "::1", port: this.#socket.address().port };
  }

  close(): void {
    this.#socket.close();
  }

  #take(datagram: Buffer, remote: RemoteInfo): void {
    const read = readMessage(datagram);
    if (!read.ok) throw new Error(`the simulator sent a malformed message: ${read.detail}`);
    const message = read.value;
    if (!isRequest(message.code)) {
      this.empty.push(message);
      return;
    }
    this.seen.push({ message, from: `[${remote.address}]:${remote.port}` });
    const reply = this.#reply(message, this.seen.length - 1);
    if (reply === "silence") return;
    if (reply === "reset") {
      this.#send(remote, { ...EMPTY, type: 3, messageId: message.messageId });
      return;
    }
    const answer = { code: reply.code, token: message.token, options: reply.options ?? [], payload: EMPTY.payload };
    if (reply.separate === true) {
      this.#send(remote, { ...EMPTY, type: TYPE_ACK, messageId: message.messageId });
      this.#send(remote, { ...answer, type: TYPE_CON, messageId: this.#messageId++ });
      return;
    }
    const type: CoapType = message.type === TYPE_CON ? TYPE_ACK : TYPE_NON;
    this.#send(remote, { ...answer, type, messageId: type === TYPE_ACK ? message.messageId : this.#messageId++ });
  }

  #send(remote: RemoteInfo, message: CoapMessage): void {
    this.#socket.send(encodeMessage(message), remote.port, remote.address);
  }
}

/** 2.31 for a block with more behind it, else 2.04. */
export function answerByBlock(request: CoapMessage): FakeReply {
  const option = request.options.find(({ number }) => number === OPTION_BLOCK1);
  const block = option === undefined ? undefined : readBlock(option.value, 0, option.value.length);
  return { code: block?.ok === true && block.value.more ? CODE_CONTINUE : CODE_CHANGED };
}

const EMPTY = { code: CODE_EMPTY, token: new Uint8Array(0), options: [], payload: new Uint8Array(0) } as const;
