/** What stands in a page's table, row by row, and in its other parts; escaped as it was sent. */
export interface PageParts {
  readonly rows: readonly (readonly string[])[];
  readonly notes: readonly string[];
  readonly feeds: readonly string[];
  readonly recent: number;
}

export function partsOf(html: string): PageParts {
  const all = (pattern: RegExp, text = html): string[] => [...text.matchAll(pattern)].map(([, inner]) => inner!);
  return {
    rows: all(/<tr>(.*?)<\/tr>/gsu).map((row) => all(/<td>(.*?)<\/td>/gsu, row)),
    notes: all(/<li>(.*?)<\/li>/gsu),
    feeds: all(/<dt>(.*?)<\/dd>/gsu).map((feed) => feed.replace("</dt><dd>", " = ")),
    recent: Number(/<p>(\d+) in the last hour/u.exec(html)?.[1]),
  };
}
