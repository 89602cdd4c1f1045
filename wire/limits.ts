/**
 * Every bound of the wire formats, with its unit and its source. Values that no operator should tune live here; the
 * relations between them are checked when the module loads.
 */

/** Bytes of a SHA-256 hash and of the ids derived from one. */
export const HASH_BYTES = 32;
/** Bytes of a raw Ed25519 public key (RFC 8032 §5.1.5). */
export const PUBLIC_KEY_BYTES = 32;
/** Bytes of an Ed25519 signature (RFC 8032 §5.1.6). */
export const SIGNATURE_BYTES = 64;

/** Bytes of one frame: what a sensor sent in one message, after Block1 assembly. docs/protocol.md §2. */
export const FRAME_BYTES_MAX = 60 * 1024;
/** Bytes of a batch payload. A write of 256 KiB is where LevelDB's cost per byte levels off. */
export const PAYLOAD_BYTES_MAX = 256 * 1024;
/** Records of one batch; the smallest record is about 8 bytes, so this binds before the payload size does. */
export const RECORDS_MAX = 16_384;
/** Bytes of an encoded batch header. C2SP tlog entries allow 65,535; small headers keep chains cheap to keep. */
export const HEADER_BYTES_MAX = 512;
/** No header is shorter: signature, two hashes and the protected labels. Bounds how many batches an upload can hold. */
export const HEADER_BYTES_MIN = 160;
/** Bytes of a sensor id in UTF-8. */
export const SENSOR_ID_BYTES_MAX = 64;
/** Bytes of a partial IV (RFC 9052 §3.1 with the AES-CCM nonce of RFC 8613 §5.2): sequence numbers below 2^40. */
export const PARTIAL_IV_BYTES_MAX = 5;
/** CBOR overhead of one record around its frame and source: array head, offset, format, string heads. */
export const RECORD_OVERHEAD_BYTES_MAX = 1 + 9 + 3 + 3 + 5;

/** Ranges of each kind in one receipt; a gateway that has more gaps than this gets the first ones and asks again. */
export const RECEIPT_RANGES_MAX = 1024;
/** Bytes of an encoded receipt. */
export const RECEIPT_BYTES_MAX = 48 * 1024;
/** Bytes of one request body to the collector, after decompression. */
export const UPLOAD_BYTES_MAX = 4 * 1024 * 1024;
/** Batches of one request: a receipt can then name each of them, however held and bare ones alternate. */
export const UPLOAD_BATCHES_MAX = 1024;

/** Bytes of what a collector gives a gateway to sign; an HTTP header field carries it. */
export const CHALLENGE_BYTES_MAX = 64;
/** Bytes of a claim code and of a gateway's label in an enrolment, in UTF-8. */
export const CLAIM_BYTES_MAX = 128;
export const LABEL_BYTES_MAX = 256;

/** Bytes of a directive's id. */
export const DIRECTIVE_ID_BYTES = 16;
/** Bytes of the document in a directive: with its signature it stays below RECEIPT_BYTES_MAX, which bounds answers. */
export const DIRECTIVE_DOCUMENT_BYTES_MAX = 16 * 1024;
/** Bytes of a directive's URL and version. */
export const DIRECTIVE_URL_BYTES_MAX = 2048;
export const DIRECTIVE_VERSION_BYTES_MAX = 64;
/** Bytes of the reason in a gateway's answer to a directive. */
export const DIRECTIVE_REASON_BYTES_MAX = 256;

/** Headers in one proof file: at HEADER_BYTES_MAX each and with a payload this stays below PROOF_BYTES_MAX. */
export const PROOF_HEADERS_MAX = 100_000;
/** Bytes of a proof file. */
export const PROOF_BYTES_MAX = 64 * 1024 * 1024;

/** Bytes of a release's manifest, signature and all. */
export const MANIFEST_BYTES_MAX = 2 * 1024 * 1024;
/** Chunks of one part of a release: two such lists fit the manifest. */
export const RELEASE_CHUNKS_MAX = 30_000;
/** Bytes of a release's root file system and of its program for the boot loader: the largest slot of any image. */
export const RELEASE_PART_BYTES_MAX = 1024 * 1024 * 1024;

/** Bytes of a UDP datagram that a listener takes (IPv6 payload limit without jumbograms, RFC 8200 §4). */
export const DATAGRAM_BYTES_MAX = 65_527;
/** Bytes of a CoAP token (RFC 7252 §3). */
export const COAP_TOKEN_BYTES_MAX = 8;
/** Options of one CoAP message. A request to a gateway needs fewer than ten; a full Uri-Path of 255 segments is no use. */
export const COAP_OPTIONS_MAX = 64;
/** Labels of one SenML record that RFC 8428 does not define; they are compared pairwise for duplicates. */
export const SENML_EXTENSION_LABELS_MAX = 16;
/** Bytes of a bignum as mantissa of a decimal fraction: every integer that a double holds has less than 1,024 bits. */
export const SENML_BIGNUM_BYTES_MAX = 128;
/** Nesting of CBOR that the scanners follow before they refuse. SenML needs 3. */
export const CBOR_DEPTH_MAX = 16;

const relations: readonly [boolean, string][] = [
  [
    FRAME_BYTES_MAX + SENSOR_ID_BYTES_MAX + RECORD_OVERHEAD_BYTES_MAX <= PAYLOAD_BYTES_MAX,
    "the largest record fits an empty batch",
  ],
  [HEADER_BYTES_MAX < 65_535, "a header fits a tlog entry"],
  [
    PROOF_HEADERS_MAX * (HEADER_BYTES_MAX + 3) + PAYLOAD_BYTES_MAX + RECEIPT_BYTES_MAX + 256 <= PROOF_BYTES_MAX,
    "the longest proof fits its bound",
  ],
  [PAYLOAD_BYTES_MAX + HEADER_BYTES_MAX + 16 <= UPLOAD_BYTES_MAX, "the largest batch fits one upload"],
  [UPLOAD_BATCHES_MAX <= RECEIPT_RANGES_MAX, "a receipt can name every batch of an upload"],
  [
    2 * RELEASE_CHUNKS_MAX * (HASH_BYTES + 1) + 2048 <= MANIFEST_BYTES_MAX,
    "the longest lists of chunks fit a manifest",
  ],
  [DIRECTIVE_DOCUMENT_BYTES_MAX + 512 <= RECEIPT_BYTES_MAX, "the largest directive fits an answer"],
  [2 * RECEIPT_RANGES_MAX * 19 + 512 <= RECEIPT_BYTES_MAX, "the largest receipt fits its bound"],
];
for (const [holds, statement] of relations) {
  if (!holds) throw new Error(`wire/limits.ts: no longer true that ${statement}`);
}
