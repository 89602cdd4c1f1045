/**
 * Text without what could steer a terminal: labels, sources, reasons and answers come from the other side. Control
 * and format characters other than the line feed become U+FFFD.
 */
export function printable(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n]|\p{Cf}/gu, "\uFFFD");
}

/** Puts an answer on standard output, cleaned by `printable` and ended by a line feed. */
export function print(text: string): void {
  const clean = printable(text);
  process.stdout.write(clean.endsWith("\n") ? clean : `${clean}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}
