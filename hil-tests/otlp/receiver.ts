import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";

/** What hil-tests/setup-otlp.sh has installed. */
const FROM = "/var/cache/paddock-hil/otlp/receiver.js";

/** Of a class that Protocol Buffers' generator made. */
interface MessageClass {
  decode(bytes: Uint8Array): object;
  encode(message: object): { finish(): Uint8Array };
  toObject(message: object, options: object): object;
}
interface Messages {
  readonly ExportMetricsServiceRequest: MessageClass;
  readonly ExportMetricsServiceResponse: MessageClass;
}

export interface ReceivedRequest {
  /** Whether it has bytes that the messages do not know. */
  readonly unknown: boolean;
  /** In the JSON of Protocol Buffers, what has its default value left out. */
  readonly request: unknown;
}

export interface ReceiverOptions {
  readonly cert: string;
  readonly key: string;
  readonly token: string;
  readonly received: (request: ReceivedRequest) => void;
}

/**
 * Receives OTLP over HTTPS on ::1 by OpenTelemetry's own messages. What is no request, or shows another token, is refused
 * as the protocol says; of all others it says that three values were not taken.
 */
export class OtlpReceiver {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start({ cert, key, token, received }: ReceiverOptions): Promise<OtlpReceiver> {
    const { ExportMetricsServiceRequest, ExportMetricsServiceResponse } = loadMessages();
    const rejection = { partialSuccess: { rejectedDataPoints: 3, errorMessage: "three are too old" } };
    const server = createServer({ cert, key }, (request, response) => {
      const { authorization, "content-type": type, "content-encoding": coding } = request.headers;
      const parts: Buffer[] = [];
      request.on("data", (part: Buffer) => parts.push(part));
      request.on("end", () => {
        if (request.url !== "/v1/metrics") return answer(response, 404);
        if (authorization !== `Bearer ${token}`) return answer(response, 401);
        if (type !== "application/x-protobuf" || coding !== "gzip") return answer(response, 415);
        const bytes = gunzipSync(Buffer.concat(parts));
        const message = ExportMetricsServiceRequest.decode(bytes);
        // What it skipped is not written again.
        const unknown = ExportMetricsServiceRequest.encode(message).finish().length !== bytes.length;
        received({ unknown, request: ExportMetricsServiceRequest.toObject(message, { longs: String, enums: String }) });
        return answer(response, 200, ExportMetricsServiceResponse.encode(rejection).finish());
      });
    });
    await once(server.listen(0, "::1"), "listening");
    return new OtlpReceiver(server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }
}

function answer(response: ServerResponse, status: number, body: Uint8Array = Buffer.alloc(0)): void {
  response.writeHead(status, { "content-type": "application/x-protobuf" }).end(body);
}

function loadMessages(): Messages {
  let root: {
    readonly opentelemetry: { readonly proto: { readonly collector: { readonly metrics: { v1: Messages } } } };
  };
  try {
    root = createRequire(FROM)("@opentelemetry/otlp-transformer/build/src/generated/root") as typeof root;
  } catch (cause) {
    throw new Error("OpenTelemetry's messages are missing: run hil-tests/setup-otlp.sh", { cause });
  }
  return root.opentelemetry.proto.collector.metrics.v1;
}
