import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Where everything of one run lies; nothing is written elsewhere. */
export class DemoFiles {
  readonly directory = mkdtempSync(join(tmpdir(), "paddock-demo-"));
  readonly collectorConfig = this.#in("collector.json");
  readonly collectorData = this.#in("collector");
  readonly operatorSocket = this.#in("operator.sock");
  readonly gatewayConfig = this.#in("gateway.json");
  readonly gatewayData = this.#in("gateway");
  readonly statusSocket = this.#in("status.sock");
  readonly sent = this.#in("sent.ndjson");
  readonly sentLater = this.#in("sent-later.ndjson");
  readonly log = this.#in("log.ndjson");
  readonly proof = this.#in("reading.proof");
  readonly lake = this.#in("lake");
  readonly readings = this.#in("readings.ndjson");

  linkConfig(name: string): string {
    return this.#in(`${name}.json`);
  }

  linkControl(name: string): string {
    return this.#in(`${name}.sock`);
  }

  write(path: string, document: unknown): void {
    writeFileSync(path, `${JSON.stringify(document, undefined, 2)}\n`, { mode: 0o600 });
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  #in(name: string): string {
    return join(this.directory, name);
  }
}
