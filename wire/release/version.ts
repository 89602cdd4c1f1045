/** Characters of a partition's name in a GPT (36), less those around the version in the longest of ours. */
const VERSION_LENGTH_MAX = 36 - "paddock__verity".length;
const VERSION = /^(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})(?:~rc([1-9]\d{0,8}))?$/;

/** How a version is written, for messages. */
export const VERSION_FORM = `X.Y.Z or X.Y.Z~rcN, of at most ${VERSION_LENGTH_MAX} characters`;

/** Whether a text is the version of a release. systemd would sort 1.0.0-rc.1 and 1.0.0+build behind 1.0.0: neither is one. */
export function isVersion(text: string): boolean {
  return text.length <= VERSION_LENGTH_MAX && VERSION.test(text);
}

/** Below 0 when `one` is older than `other`, above 0 when it is newer. Candidates come before their release. */
export function compareVersions(one: string, other: string): number {
  const [a, b] = [numbersOf(one), numbersOf(other)];
  for (const [index, number] of a.entries()) if (number !== b[index]) return number - b[index]!;
  return 0;
}

function numbersOf(version: string): number[] {
  const match = VERSION.exec(version);
  if (match === null) throw new RangeError(`no version: ${version}`);
  return [Number(match[1]), Number(match[2]), Number(match[3]), match[4] === undefined ? Infinity : Number(match[4])];
}
