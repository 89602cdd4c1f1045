import { createHash } from "node:crypto";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { parseXml, XmlElement } from "@rgrove/parse-xml";

/**
 * A block map as bmaptool writes it (format 2.0): which blocks of an image hold data, with a SHA-256 for each range. What
 * is not mapped need not be written.
 */
export interface BlockMap {
  /** Bytes of the whole image. */
  readonly imageBytes: number;
  readonly ranges: readonly MappedRange[];
}

export interface MappedRange {
  /** First byte. */
  readonly from: number;
  /** Behind the last byte. */
  readonly to: number;
  /** SHA-256 of these bytes, in hex. */
  readonly sha256: string;
}

const RANGES_MAX = 1_000_000;
/** What the field of a map's own checksum holds while the checksum is made. */
const NO_CHECKSUM = "0".repeat(64);

/** Reads a block map. The ranges come back in order, without overlap, and inside the image. */
export function readBlockMap(text: string): Outcome<BlockMap, "block-map"> {
  let root: XmlElement | null;
  try {
    root = parseXml(text).root;
  } catch {
    return problem("it is not XML");
  }
  if (root?.name !== "bmap") return problem("its root is not <bmap>");
  const version = root.attributes["version"] ?? "";
  if (!/^2\.\d+$/u.test(version)) return problem(`its version is "${version}", 2.0 was expected`);
  const field = (name: string) => childrenOf(root, name)[0]?.text.trim() ?? "";
  if (field("ChecksumType") !== "sha256") return problem(`ChecksumType is "${field("ChecksumType")}", not sha256`);
  const own = field("BmapFileChecksum");
  const digest = createHash("sha256").update(text.replace(own, NO_CHECKSUM)).digest("hex");
  if (own !== digest) return problem("its own checksum does not hold");
  const imageBytes = wholeOf(field("ImageSize"));
  const blockBytes = wholeOf(field("BlockSize"));
  if (imageBytes === undefined || blockBytes === undefined || blockBytes === 0) {
    return problem("ImageSize or BlockSize is no whole number");
  }
  const ranges: MappedRange[] = [];
  for (const element of childrenOf(childrenOf(root, "BlockMap")[0], "Range").slice(0, RANGES_MAX)) {
    const blocks = element.text.trim().split("-").map(wholeOf);
    const [first, last = first] = blocks;
    const sha256 = element.attributes["chksum"] ?? "";
    if (first === undefined || last === undefined || blocks.length > 2 || !/^[0-9a-f]{64}$/u.test(sha256)) {
      return problem(`"${element.text.trim()}" is no range with a checksum`);
    }
    const range = { from: first * blockBytes, to: Math.min((last + 1) * blockBytes, imageBytes), sha256 };
    if (range.from < (ranges.at(-1)?.to ?? 0) || range.from >= range.to) {
      return problem(`blocks ${element.text.trim()} are out of order or outside of the image`);
    }
    ranges.push(range);
  }
  if (ranges.length === 0) return problem("it maps nothing");
  return accept({ imageBytes, ranges });
}

function problem(detail: string): Outcome<never, "block-map"> {
  return refuse("block-map", `The block map is not usable: ${detail}.`);
}

function childrenOf(parent: XmlElement | null | undefined, name: string): XmlElement[] {
  const children = parent?.children ?? [];
  return children.filter((child): child is XmlElement => child instanceof XmlElement && child.name === name);
}

function wholeOf(text: string): number | undefined {
  return /^\d{1,15}$/u.test(text.trim()) ? Number(text) : undefined;
}
