/**
 * What a terminal obeys rather than shows, or what ends a line: C0, DEL and C1, separators of lines and paragraphs,
 * and marks, embeddings, overrides and isolates of direction.
 */
// eslint-disable-next-line no-control-regex
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

export function hasUnprintable(text: string): boolean {
  return text.search(UNPRINTABLE) >= 0;
}

/** As one line that shows what is in it: an escape character as `\u001b`, a line feed as `\u000a`. */
export function printable(text: string): string {
  return text.replace(
    UNPRINTABLE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
