import { fileURLToPath } from "node:url";
import type { Namespace } from "../namespaces.ts";

const PROGRAM = fileURLToPath(import.meta.resolve("./send-datagrams.ts"));

/** One UDP datagram with all that a sender can choose. */
export interface Datagram {
  readonly from: string;
  readonly fromPort: number;
  /** As it leaves: every router takes one off. */
  readonly hopLimit: number;
  readonly to: string;
  readonly toPort: number;
  /** The payload in hex. */
  readonly payload: string;
}

/** Sends these from a namespace, one after the other, and returns when all have left. Throws when one could not. */
export function sendDatagrams(namespace: Namespace, datagrams: readonly Datagram[]): void {
  namespace.run(process.execPath, PROGRAM, JSON.stringify(datagrams));
}
