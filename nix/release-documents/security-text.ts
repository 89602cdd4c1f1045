const DAY_MS = 86_400_000;
/** RFC 9116 §2.5.5 recommends less than a year. */
const VALID_DAYS = 360;

/** security.txt (RFC 9116): where weaknesses are reported. `contact` is a URI, `date` the day of the sources, YYYY-MM-DD. */
export function securityText(contact: string, date: string): string {
  const expires = new Date(Date.parse(date) + VALID_DAYS * DAY_MS).toISOString();
  return `Contact: ${contact}\nExpires: ${expires}\nPreferred-Languages: en\n`;
}

/** What keeps a text from being a security.txt that holds at `now`; undefined: nothing. RFC 9116 §2.5. */
export function securityTextProblem(text: string, now: Date): string | undefined {
  const fields = text
    .split(/\r?\n/u)
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => /^([A-Za-z-]+): (\S.*)$/u.exec(line));
  if (fields.includes(null)) return "a line is no field";
  const values = (name: string) =>
    fields.filter((field) => field![1]!.toLowerCase() === name).map((field) => field![2]!);
  if (!values("contact").some((uri) => /^(?:mailto:|https:\/\/|tel:)/u.test(uri))) return "it has no Contact";
  const [expires, ...more] = values("expires");
  if (expires === undefined || more.length > 0) return "it does not have exactly one Expires";
  if (!(Date.parse(expires) > now.getTime())) return `it expired at ${expires}`;
  return undefined;
}
