/**
 * The compiler that takes types off TypeScript (amaro) lies inside of Node as WebAssembly in base64, 3.8 MB; a bundle is
 * JavaScript. Long runs of base64 that begin like WebAssembly ("\0asm") are found by that.
 */
const BEGIN = 'from("AGFzbQ';
const CODE_AT = 'from("'.length;
/** WebAssembly that Node itself needs, such as the lexer of CommonJS and undici's parser, is far smaller. */
const LARGE_BYTES = 1024 * 1024;
const LETTER_A = 65;

/**
 * Overwrites the compiler in a program, in place, by base64 that is no WebAssembly: a file with types is refused then, and
 * nothing else changes. Returns the bytes. Throws unless there is just one.
 */
export function blankTypeStripper(program: Buffer): number {
  const found: { start: number; end: number }[] = [];
  for (let at = program.indexOf(BEGIN); at >= 0; at = program.indexOf(BEGIN, at + 1)) {
    const start = at + CODE_AT;
    const end = program.indexOf('"', start);
    if (end - start >= LARGE_BYTES) found.push({ start, end });
  }
  if (found.length !== 1) throw new Error(`expected one compiler for TypeScript in the program, found ${found.length}`);
  const { start, end } = found[0]!;
  program.fill(LETTER_A, start, end);
  return end - start;
}
