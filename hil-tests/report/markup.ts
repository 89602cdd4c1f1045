const ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** For text and attribute values of XML and HTML; characters that XML cannot hold are dropped. */
export function escapeMarkup(text: string): string {
  // oxlint-disable-next-line no-control-regex -- those are what XML 1.0 forbids
  return text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "").replace(/[&<>"]/g, (found) => ESCAPES[found]!);
}
