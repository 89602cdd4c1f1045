/** Unix µs as RFC 3339 in UTC, with six digits behind the second. Years beyond 9999 have a sign and six digits, as ECMAScript writes them. */
export function rfc3339(timeUs: number): string {
  const ms = Math.floor(timeUs / 1000);
  const micros = timeUs - ms * 1000;
  const time = new Date(ms);
  return Number.isNaN(time.getTime())
    ? `${timeUs} us`
    : `${time.toISOString().slice(0, -1)}${String(micros).padStart(3, "0")}Z`;
}
