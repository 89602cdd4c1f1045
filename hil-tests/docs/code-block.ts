/** The first fenced code block of this language in a page. Throws when there is none: the page lost its example. */
export function codeBlock(page: string, language: string): string {
  const match = new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, "mu").exec(page);
  if (match === null) throw new Error(`the page has no code block of ${language}`);
  return match[1]!;
}
