import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { writeHead } from "@paddock/wire/cbor-write.ts";
import { CODE_POST, TYPE_CON } from "@paddock/wire/coap-codes.ts";
import { encodeMessage, readMessage } from "@paddock/wire/coap-message.ts";
import { OPTION_CONTENT_FORMAT, OPTION_URI_PATH } from "@paddock/wire/coap-options.ts";

/** A SenML pack of one record, `{n: name, v: value}`; `value` is below 2^32. */
export function senmlFrame(name: string, value: number): Buffer {
  const frame = Buffer.alloc(32 + name.length);
  let end = writeHead(frame, 0, 4, 1);
  end = writeHead(frame, end, 5, 2);
  end = writeHead(frame, end, 0, 0);
  end = writeHead(frame, end, 3, Buffer.byteLength(name));
  end += frame.write(name, end);
  end = writeHead(frame, end, 0, 2);
  end = writeHead(frame, end, 0, value);
  return frame.subarray(0, end);
}

/** Sends frames as CON from one socket and waits for each answer until it is closed. Sends nothing twice. */
export class CoapSender {
  readonly #socket: Socket;
  readonly #port: number;
  readonly #waiting = new Map<number, (code: number | undefined) => void>();
  #messageId = 0;

  private constructor(socket: Socket, port: number) {
    this.#socket = socket;
    this.#port = port;
    socket.on("message", (bytes) => {
      const message = readMessage(bytes);
      if (!message.ok) return;
      this.#waiting.get(message.value.messageId)?.(message.value.code);
      this.#waiting.delete(message.value.messageId);
    });
  }

  static async open(port: number): Promise<CoapSender> {
    const socket = createSocket("udp6");
    socket.bind(0, "::1");
    await once(socket, "listening");
    return new CoapSender(socket, port);
  }

  /** Posts the frame; resolves with the code of the answer, or undefined when none came before `close`. */
  post(path: readonly string[], frame: Uint8Array): Promise<number | undefined> {
    const messageId = this.#messageId++ & 0xffff;
    const options = [
      ...path.map((segment) => ({ number: OPTION_URI_PATH, value: Buffer.from(segment) })),
      { number: OPTION_CONTENT_FORMAT, value: Uint8Array.of(112) },
    ];
    const token = Uint8Array.of(messageId >> 8, messageId & 0xff);
    const bytes = encodeMessage({ type: TYPE_CON, code: CODE_POST, messageId, token, options, payload: frame });
    return new Promise((resolve) => {
      this.#waiting.set(messageId, resolve);
      this.#socket.send(bytes, this.#port, "::1");
    });
  }

  close(): void {
    this.#socket.close();
    for (const resolve of this.#waiting.values()) resolve(undefined);
  }
}
