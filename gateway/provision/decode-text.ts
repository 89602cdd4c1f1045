import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";

/**
 * The text of a file that was written on any system: UTF-8 or, with a byte order mark, UTF-16, as Windows saves both.
 * Line ends become LF.
 */
export function decodeText(bytes: Uint8Array): Outcome<string, "not-text"> {
  const encoding =
    bytes[0] === 0xff && bytes[1] === 0xfe ? "utf-16le" : bytes[0] === 0xfe && bytes[1] === 0xff ? "utf-16be" : "utf-8";
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
    if (text.includes("\0")) return refuse("not-text", "it holds bytes of zero");
    return accept(text.replaceAll(/\r\n?/gu, "\n"));
  } catch {
    return refuse("not-text", `it is not ${encoding.toUpperCase()}`);
  }
}
