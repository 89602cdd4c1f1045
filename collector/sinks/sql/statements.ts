/** Rows of one statement: more gains nothing, and a server holds its locks for as long as one takes. */
const ROWS_MAX = 1000;

/**
 * `head` with as many of the tuples behind it as one statement may hold, again until all are in; `tail` ends each. Made
 * one at a time, so that the next is written while the server works on the one before. `bytesMax` is kept by statements
 * of more than one tuple.
 */
export function* statementsOf(
  head: string,
  tuples: Iterable<string>,
  bytesMax: number,
  tail = "",
): Generator<string, void, undefined> {
  let text = "";
  let count = 0;
  let bytes = 0;
  const own = head.length + tail.length;
  for (const tuple of tuples) {
    const size = Buffer.byteLength(tuple);
    if (count > 0 && (count === ROWS_MAX || own + bytes + size + 1 > bytesMax)) {
      yield `${head}${text}${tail}`;
      text = "";
      count = bytes = 0;
    }
    text += count === 0 ? tuple : `,${tuple}`;
    bytes += size + 1;
    count++;
  }
  if (count > 0) yield `${head}${text}${tail}`;
}
