/**
 * Characters that a terminal obeys rather than shows, or that end a line: C0, DEL and C1; the separators of lines and
 * paragraphs; the marks, embeddings, overrides and isolates of text direction.
 */
// eslint-disable-next-line no-control-regex
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** True if the text has a control character, a line break or a mark of text direction. */
export function hasUnprintable(text: string): boolean {
  return text.search(UNPRINTABLE) >= 0;
}

/** The text as one line in which such characters are escaped: a line feed as `\u000a`, ESC as `\u001b`. */
export function printable(text: string): string {
  return text.replace(
    UNPRINTABLE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
