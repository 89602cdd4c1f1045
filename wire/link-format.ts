/** Links for `GET /.well-known/core` (RFC 6690): writing and filtering. */
export interface Link {
  /** Absolute path. */
  readonly href: string;
  /** Resource types. */
  readonly rt?: readonly string[];
  /** Interfaces. */
  readonly if?: readonly string[];
  /** Content-Formats (RFC 7252 §7.2.1). */
  readonly ct?: readonly number[];
  readonly title?: string;
}

/** The link list, ready as a payload of Content-Format 40. Throws RangeError for characters that would need quoting. */
export function formatLinks(links: readonly Link[]): string {
  return links.map(formatLink).join(",");
}

function formatLink(link: Link): string {
  let text = `<${plain(link.href, /^\/[^<>"\\\s]*$/)}>`;
  if (link.rt !== undefined) text += `;rt="${plain(link.rt.join(" "))}"`;
  if (link.if !== undefined) text += `;if="${plain(link.if.join(" "))}"`;
  if (link.ct !== undefined) text += link.ct.length === 1 ? `;ct=${link.ct[0]}` : `;ct="${link.ct.join(" ")}"`;
  if (link.title !== undefined) text += `;title="${plain(link.title)}"`;
  return text;
}

function plain(value: string, allowed: RegExp = /^[^"\\]*$/): string {
  if (!allowed.test(value)) throw new RangeError(`not allowed in a link: ${value}`);
  return value;
}

/**
 * The links that match every query of the request, as in `rt=paddock.*` (RFC 6690 §4.1): a value matches whole, or by
 * its beginning when the query ends in `*`; of an attribute with several values one must match. A query that is not of
 * the form name=value, or names an attribute that a link has not, matches no link.
 */
export function filterLinks(links: readonly Link[], queries: readonly string[]): readonly Link[] {
  return links.filter((link) => queries.every((query) => matches(link, query)));
}

function matches(link: Link, query: string): boolean {
  const equals = query.indexOf("=");
  if (equals < 0) return false;
  const pattern = query.slice(equals + 1);
  return valuesOf(link, query.slice(0, equals)).some((value) =>
    pattern.endsWith("*") ? value.startsWith(pattern.slice(0, -1)) : value === pattern,
  );
}

function valuesOf(link: Link, name: string): readonly string[] {
  switch (name) {
    case "href":
      return [link.href];
    case "rt":
      return link.rt ?? [];
    case "if":
      return link.if ?? [];
    case "ct":
      return (link.ct ?? []).map(String);
    case "title":
      return link.title === undefined ? [] : [link.title];
    default:
      return [];
  }
}
