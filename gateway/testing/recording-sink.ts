import type { SourceSink } from "../paths/path-sources.ts";
import type { WatchSink } from "../paths/path-watch.ts";

/** Writes down what it is told: `told` as "path liveness", the rest by path. */
export class RecordingSink implements WatchSink, SourceSink {
  readonly told: string[] = [];
  /** The newest why by path. */
  readonly why = new Map<string, string | undefined>();
  readonly loss = new Map<string, number>();
  readonly bytes = new Map<string, number>();

  setLiveness(path: string, liveness: string, { why }: { why?: string } = {}): void {
    this.told.push(`${path} ${liveness}`);
    this.why.set(path, why);
  }

  setLoss(path: string, share: number): void {
    this.loss.set(path, share);
  }

  addUsage(path: string, bytes: number): void {
    this.bytes.set(path, (this.bytes.get(path) ?? 0) + bytes);
  }

  updatePath(): void {}
}
