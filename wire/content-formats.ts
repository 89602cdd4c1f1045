/** CoAP Content-Formats that Paddock meets (RFC 7252 §12.3 and the registry it founded). */

export const FORMAT_TEXT = 0;
/** application/cose; cose-type="cose-mac0" (RFC 9052 §11.3) */
export const FORMAT_COSE_MAC0 = 17;
/** application/cose; cose-type="cose-sign1" (RFC 9052 §11.3) */
export const FORMAT_COSE_SIGN1 = 18;
/** application/link-format (RFC 6690) */
export const FORMAT_LINK = 40;
export const FORMAT_OCTETS = 42;
/** application/cbor (RFC 8949 §9.5) */
export const FORMAT_CBOR = 60;
/** application/cbor-seq (RFC 8742 §6.3) */
export const FORMAT_CBOR_SEQ = 63;
/** application/senml+cbor and application/sensml+cbor (RFC 8428 §12.2) */
export const FORMAT_SENML_CBOR = 112;
export const FORMAT_SENSML_CBOR = 113;

const NAMES: ReadonlyMap<number, string> = new Map([
  [FORMAT_TEXT, "text/plain"],
  [FORMAT_COSE_MAC0, "cose-mac0"],
  [FORMAT_COSE_SIGN1, "cose-sign1"],
  [FORMAT_LINK, "link-format"],
  [FORMAT_OCTETS, "octet-stream"],
  [FORMAT_CBOR, "cbor"],
  [FORMAT_CBOR_SEQ, "cbor-seq"],
  [FORMAT_SENML_CBOR, "senml+cbor"],
  [FORMAT_SENSML_CBOR, "sensml+cbor"],
]);

/** A Content-Format for people: its short name, else its number. */
export function formatName(format: number): string {
  return NAMES.get(format) ?? String(format);
}
