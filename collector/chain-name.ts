import { laneName, laneOf } from "@paddock/wire/lanes.ts";
import type { ChainId } from "@paddock/store/types.ts";

const ROUTE = "/v1/chains/";
const TEXT = /^([0-9a-f]{64})\/([a-z]{1,16})\/(0|[1-9][0-9]{0,9})$/u;

/** The chain that a path of the form `/v1/chains/{gateway}/{lane}/{epoch}` names, or undefined. */
export function chainOfPath(path: string): ChainId | undefined {
  return path.startsWith(ROUTE) ? chainOfText(path.slice(ROUTE.length)) : undefined;
}

/** The chain that a text of `chainText` names, or undefined. */
export function chainOfText(text: string): ChainId | undefined {
  const match = TEXT.exec(text);
  const lane = match === null ? undefined : laneOf(match[2]!);
  const epoch = Number(match?.[3]);
  if (match === null || lane === undefined || epoch > 0xffff_ffff) return undefined;
  return { gateway: Buffer.from(match[1]!, "hex"), lane, epoch };
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}

/** One text per chain, for maps and keys: `{gateway}/{lane}/{epoch}`. */
export function chainText({ gateway, lane, epoch }: ChainId): string {
  return `${hexOf(gateway)}/${laneName(lane)}/${epoch}`;
}

/** A chain in messages for people: a gateway is known by the first digits of its id. */
export function chainTitle({ gateway, lane, epoch }: ChainId): string {
  return `${hexOf(gateway).slice(0, 12)}/${laneName(lane)}/${epoch}`;
}
