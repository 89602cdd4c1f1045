import {
  CODE_BAD_OPTION,
  CODE_BAD_REQUEST,
  CODE_FORBIDDEN,
  CODE_METHOD_NOT_ALLOWED,
  CODE_NOT_ACCEPTABLE,
  CODE_NOT_FOUND,
  CODE_REQUEST_ENTITY_INCOMPLETE,
  CODE_REQUEST_ENTITY_TOO_LARGE,
  CODE_SERVICE_UNAVAILABLE,
  CODE_TOO_MANY_REQUESTS,
  CODE_UNAUTHORIZED,
  CODE_UNSUPPORTED_CONTENT_FORMAT,
} from "@paddock/wire/coap-codes.ts";

/** Why a message was not taken, by stable names that are metric labels too, and the code that answers it. */
export const REFUSALS = {
  /** Not a CoAP message. Answered by RST when it is a CON, else not at all. */
  malformed: 0,
  "critical-option": CODE_BAD_OPTION,
  "no-resource": CODE_NOT_FOUND,
  method: CODE_METHOD_NOT_ALLOWED,
  accept: CODE_NOT_ACCEPTABLE,
  format: CODE_UNSUPPORTED_CONTENT_FORMAT,
  senml: CODE_BAD_REQUEST,
  cose: CODE_BAD_REQUEST,
  block: CODE_BAD_REQUEST,
  "block-missing": CODE_REQUEST_ENTITY_INCOMPLETE,
  "too-large": CODE_REQUEST_ENTITY_TOO_LARGE,
  "unknown-key": CODE_UNAUTHORIZED,
  tag: CODE_UNAUTHORIZED,
  replay: CODE_UNAUTHORIZED,
  "unknown-sensor": CODE_FORBIDDEN,
  "key-required": CODE_FORBIDDEN,
  rate: CODE_TOO_MANY_REQUESTS,
  pressure: CODE_SERVICE_UNAVAILABLE,
} as const;

export type Refusal = keyof typeof REFUSALS;
export const REFUSAL_NAMES = Object.keys(REFUSALS) as readonly Refusal[];
