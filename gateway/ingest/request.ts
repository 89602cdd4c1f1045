import type { CoapView } from "@paddock/wire/coap-message.ts";
import {
  isCritical,
  isRepeatable,
  OPTION_ACCEPT,
  OPTION_BLOCK1,
  OPTION_BLOCK2,
  OPTION_CONTENT_FORMAT,
  OPTION_NO_RESPONSE,
  OPTION_SIZE1,
  OPTION_URI_HOST,
  OPTION_URI_PATH,
  OPTION_URI_PORT,
  OPTION_URI_QUERY,
  optionLengthFits,
  readUintOption,
} from "@paddock/wire/coap-options.ts";
import { LANES, type Lane } from "@paddock/wire/lanes.ts";

/** What a request is about. */
export const RESOURCE_NONE = 0;
/** POST a frame; `lane` says which lane, if the path does. */
export const RESOURCE_FRAMES = 1;
/** POST a frame of LwM2M Send. */
export const RESOURCE_LWM2M = 2;
/** GET the list of resources. */
export const RESOURCE_CORE = 3;
export type Resource = typeof RESOURCE_NONE | typeof RESOURCE_FRAMES | typeof RESOURCE_LWM2M | typeof RESOURCE_CORE;

/** The options of a request that this server acts on, read in one pass into fields that are used again. */
export class RequestFields {
  resource: Resource = RESOURCE_NONE;
  /** The lane that the path names, or -1. */
  lane: Lane | -1 = -1;
  /** -1 when absent; so are the following. */
  contentFormat = -1;
  accept = -1;
  size1 = -1;
  /** The value of No-Response (RFC 7967); 0, which asks for every answer, when absent. */
  noResponse = 0;
  /** Indices of the Block options in the view, or -1. */
  block1 = -1;
  block2 = -1;
  /** The number of the first critical option that is unknown, repeated or of a wrong length, or -1. */
  badOption = -1;

  /** Reads the options of `view`. Elective options that do not fit are ignored (RFC 7252 §5.4.1, §5.4.3, §5.4.5). */
  read(view: CoapView): void {
    this.resource = RESOURCE_NONE;
    this.lane = -1;
    this.contentFormat = -1;
    this.accept = -1;
    this.size1 = -1;
    this.noResponse = 0;
    this.block1 = -1;
    this.block2 = -1;
    this.badOption = -1;
    const { bytes, optionNumbers, optionStarts, optionLengths, optionCount } = view;
    let previous = -1;
    let pathFirst = 0;
    let pathCount = 0;
    for (let index = 0; index < optionCount; index++) {
      const number = optionNumbers[index]!;
      const start = optionStarts[index]!;
      const length = optionLengths[index]!;
      const repeated = number === previous;
      previous = number;
      // Most options of a frame are its path and format; they skip the table.
      if (number === OPTION_URI_PATH) {
        if (pathCount++ === 0) pathFirst = index;
        if (length > 255) this.#refuse(number);
        continue;
      }
      if (number === OPTION_CONTENT_FORMAT) {
        if (!repeated && length <= 2) this.contentFormat = readUintOption(bytes, start, length);
        continue;
      }
      if ((repeated && !isRepeatable(number)) || !optionLengthFits(number, length)) {
        if (isCritical(number)) this.#refuse(number);
        continue;
      }
      switch (number) {
        case OPTION_URI_HOST:
        case OPTION_URI_PORT:
        case OPTION_URI_QUERY:
          break;
        case OPTION_NO_RESPONSE:
          this.noResponse = readUintOption(bytes, start, length);
          break;
        case OPTION_ACCEPT:
          this.accept = readUintOption(bytes, start, length);
          break;
        case OPTION_SIZE1:
          this.size1 = readUintOption(bytes, start, length);
          break;
        case OPTION_BLOCK1:
          this.block1 = index;
          break;
        case OPTION_BLOCK2:
          this.block2 = index;
          break;
        default:
          if (isCritical(number)) this.#refuse(number);
      }
    }
    this.#route(view, pathFirst, pathCount);
  }

  #refuse(number: number): void {
    if (this.badOption < 0) this.badOption = number;
  }

  #route(view: CoapView, first: number, count: number): void {
    if (count === 1) {
      if (segmentIs(view, first, SEGMENT_I)) this.resource = RESOURCE_FRAMES;
      else if (segmentIs(view, first, SEGMENT_DP)) this.resource = RESOURCE_LWM2M;
    } else if (count === 2) {
      if (segmentIs(view, first, SEGMENT_I)) {
        for (let lane = 0; lane < LANE_SEGMENTS.length; lane++) {
          if (!segmentIs(view, first + 1, LANE_SEGMENTS[lane]!)) continue;
          this.resource = RESOURCE_FRAMES;
          this.lane = lane as Lane;
          break;
        }
      } else if (segmentIs(view, first, SEGMENT_WELL_KNOWN) && segmentIs(view, first + 1, SEGMENT_CORE)) {
        this.resource = RESOURCE_CORE;
      }
    }
  }
}

const ascii = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "ascii"));
const SEGMENT_I = ascii("i");
const SEGMENT_DP = ascii("dp");
const SEGMENT_WELL_KNOWN = ascii(".well-known");
const SEGMENT_CORE = ascii("core");
const LANE_SEGMENTS = LANES.map(ascii);

function segmentIs(view: CoapView, index: number, segment: Uint8Array): boolean {
  const length = segment.length;
  if (view.optionLengths[index] !== length) return false;
  const start = view.optionStarts[index]!;
  for (let at = 0; at < length; at++) if (view.bytes[start + at] !== segment[at]) return false;
  return true;
}
