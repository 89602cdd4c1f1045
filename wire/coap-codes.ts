/**
 * CoAP message types and codes (RFC 7252 §3, §12.1; RFC 7959 §2.9; RFC 8516). A code is class << 5 | detail, the byte
 * on the wire.
 */

export const TYPE_CON = 0;
export const TYPE_NON = 1;
export const TYPE_ACK = 2;
export const TYPE_RST = 3;
export type CoapType = 0 | 1 | 2 | 3;

export const CODE_EMPTY = 0x00;
export const CODE_GET = 0x01;
export const CODE_POST = 0x02;
export const CODE_PUT = 0x03;
export const CODE_DELETE = 0x04;
/** RFC 8132 §2 */
export const CODE_FETCH = 0x05;
export const CODE_PATCH = 0x06;
export const CODE_IPATCH = 0x07;

export const CODE_CREATED = 0x41;
export const CODE_DELETED = 0x42;
export const CODE_VALID = 0x43;
export const CODE_CHANGED = 0x44;
export const CODE_CONTENT = 0x45;
export const CODE_CONTINUE = 0x5f;
export const CODE_BAD_REQUEST = 0x80;
export const CODE_UNAUTHORIZED = 0x81;
export const CODE_BAD_OPTION = 0x82;
export const CODE_FORBIDDEN = 0x83;
export const CODE_NOT_FOUND = 0x84;
export const CODE_METHOD_NOT_ALLOWED = 0x85;
export const CODE_NOT_ACCEPTABLE = 0x86;
export const CODE_REQUEST_ENTITY_INCOMPLETE = 0x88;
export const CODE_PRECONDITION_FAILED = 0x8c;
export const CODE_REQUEST_ENTITY_TOO_LARGE = 0x8d;
export const CODE_UNSUPPORTED_CONTENT_FORMAT = 0x8f;
export const CODE_TOO_MANY_REQUESTS = 0x9d;
export const CODE_INTERNAL_SERVER_ERROR = 0xa0;
export const CODE_NOT_IMPLEMENTED = 0xa1;
export const CODE_BAD_GATEWAY = 0xa2;
export const CODE_SERVICE_UNAVAILABLE = 0xa3;
export const CODE_GATEWAY_TIMEOUT = 0xa4;
export const CODE_PROXYING_NOT_SUPPORTED = 0xa5;

/** The class of a code: 0 request or empty, 2 success, 4 client error, 5 server error; 1, 6, 7 are reserved. */
export function codeClass(code: number): number {
  return code >> 5;
}

export function isRequest(code: number): boolean {
  return code > 0 && code < 0x20;
}

export function isResponse(code: number): boolean {
  return code >= 0x40 && code < 0xc0;
}

/** A code as people write it: `2.04`. */
export function formatCode(code: number): string {
  return `${code >> 5}.${String(code & 31).padStart(2, "0")}`;
}
