import { blockBytes, blockOffset, type Block } from "@paddock/wire/coap-block.ts";
import type { CoapView } from "@paddock/wire/coap-message.ts";
import { findOption, optionValue } from "@paddock/wire/coap-message.ts";
import { OPTION_URI_QUERY } from "@paddock/wire/coap-options.ts";
import { FORMAT_COSE_MAC0, FORMAT_LINK, FORMAT_SENML_CBOR, FORMAT_SENSML_CBOR } from "@paddock/wire/content-formats.ts";
import { LANES } from "@paddock/wire/lanes.ts";
import { filterLinks, formatLinks, type Link } from "@paddock/wire/link-format.ts";
import type { AnswerParts } from "./exchange.ts";

const FRAME_FORMATS = [FORMAT_SENML_CBOR, FORMAT_SENSML_CBOR, FORMAT_COSE_MAC0];

/** What `GET /.well-known/core` lists. */
export const LINKS: readonly Link[] = [
  { href: "/i", rt: ["paddock.frames"], if: ["paddock.post"], ct: FRAME_FORMATS, title: "Frames" },
  ...LANES.map((lane) => ({
    href: `/i/${lane}`,
    rt: ["paddock.frames", `paddock.lane.${lane}`],
    if: ["paddock.post"],
    ct: FRAME_FORMATS,
  })),
  // Not announced as LwM2M's: a client may choose among formats there that this gateway does not take (decision 0028).
  {
    href: "/dp",
    rt: ["paddock.frames"],
    if: ["paddock.post"],
    ct: FRAME_FORMATS,
    title: "LwM2M Send",
  },
];

/** The list that the request's queries leave (RFC 6690 §4.1), in bytes; empty when they leave nothing. */
export function coreList(view: CoapView): Buffer {
  const queries: string[] = [];
  for (let at = findOption(view, OPTION_URI_QUERY); at >= 0; at = findOption(view, OPTION_URI_QUERY, at + 1)) {
    queries.push(Buffer.from(optionValue(view, at)).toString("utf8"));
  }
  return Buffer.from(formatLinks(queries.length === 0 ? LINKS : filterLinks(LINKS, queries)), "utf8");
}

/**
 * The list as an answer, in blocks where the client asked for some or it is longer than a block (RFC 7959 §2.4);
 * undefined for a block behind its end.
 */
export function coreAnswer(list: Buffer, asked: Block | undefined): AnswerParts | undefined {
  const szx = asked?.szx ?? 6;
  const start = asked === undefined ? 0 : blockOffset(asked);
  const end = Math.min(list.length, start + blockBytes(szx));
  if (start > 0 && start >= list.length) return undefined;
  const payload = list.subarray(start, end);
  const more = end < list.length;
  if (asked === undefined && !more) return { contentFormat: FORMAT_LINK, payload };
  return {
    contentFormat: FORMAT_LINK,
    payload,
    block2: { num: asked?.num ?? 0, more, szx },
    size2: list.length,
  };
}
