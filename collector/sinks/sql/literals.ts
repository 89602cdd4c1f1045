/** Values as the text of a statement, which the server reads back as exactly the same values. */

// One test is cheaper than a replacement where there is nothing to replace, as in nearly every text.
const SPECIAL = /[\0'\\]/u;
const SPECIALS = /[\0'\\]/gu;

/** For a session whose backslash escapes. */
export function textLiteral(text: string): string {
  if (!SPECIAL.test(text)) return `'${text}'`;
  return `'${text.replace(SPECIALS, (character) => (character === "\0" ? "\\0" : `\\${character}`))}'`;
}

export function nullableText(text: string | null | undefined): string {
  return text === null || text === undefined ? "NULL" : textLiteral(text);
}

export function bytesLiteral(bytes: Uint8Array): string {
  return `x'${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex")}'`;
}

/** The exponent makes it a double at once: without one the server takes a decimal, which has an end. */
export function doubleLiteral(number: number): string {
  const text = String(number);
  return text.includes("e") ? text : `${text}e0`;
}

let minuteCached = Number.NaN;
let minuteText = "";

/** Microseconds since 1970 UTC, a safe integer (years 1684 to 2255), as text with six digits behind the second. */
export function timeLiteral(timeUs: number): string {
  const minute = Math.floor(timeUs / 60_000_000);
  if (minute !== minuteCached) {
    minuteCached = minute;
    minuteText = new Date(minute * 60_000).toISOString().slice(0, 17).replace("T", " ");
  }
  const within = timeUs - minute * 60_000_000;
  const second = Math.floor(within / 1_000_000);
  const micros = String(within - second * 1_000_000).padStart(6, "0");
  return `'${minuteText}${second < 10 ? "0" : ""}${second}.${micros}'`;
}

/** The other way: a DATETIME in UTC as the server writes it, to Unix ms. */
export function msOfTime(text: string): number {
  return Date.parse(`${text.replace(" ", "T")}Z`);
}
