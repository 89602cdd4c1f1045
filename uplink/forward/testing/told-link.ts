import { accept, refuse } from "@paddock/base/outcome.ts";
import type { CollectorLink, LinkFailure, LinkOutcome, VerifiedReceipt } from "../ports.ts";

/** A link that does what a test tells it: its uploads wait, and its session ends when the test says so. */
export class ToldLink implements CollectorLink {
  readonly uploads: {
    readonly signal: AbortSignal;
    readonly answer: (outcome: LinkOutcome<VerifiedReceipt>) => void;
  }[] = [];
  bytes = 0;
  closed = 0;
  gone: (detail: string) => void = () => {};
  retire: (detail: string) => void = () => {};

  receipt = async () => refuse<LinkFailure>("refused", "not asked here");
  enrol = async () => refuse<LinkFailure>("refused", "not asked here");
  directive = async () => accept(undefined);

  upload(_chain: unknown, _body: Uint8Array, signal: AbortSignal): Promise<LinkOutcome<VerifiedReceipt>> {
    return new Promise((answer) => this.uploads.push({ signal, answer }));
  }

  bytesUsed(): number {
    return this.bytes;
  }

  onClosed(callback: (detail: string) => void): void {
    this.gone = callback;
  }

  onRetiring(callback: (detail: string) => void): void {
    this.retire = callback;
  }

  close(): void {
    this.closed++;
  }
}
