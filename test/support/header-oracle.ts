/** A source's text in an output, and the bytes of its header that were left out in front of it. */
export interface ExpectedText {
  text: Buffer;
  header: number;
}

/** The first lines of a text with their newlines; undefined where it has too few, or they have more than 64 KiB. */
function firstLines(text: Buffer, lines: number): Buffer | undefined {
  let end = 0;
  for (let found = 0; found < lines; found++) {
    const newline = text.indexOf('\n', end);
    if (newline === -1) return undefined;
    end = newline + 1;
  }
  return end > 65_536 ? undefined : text.subarray(0, end);
}

/** The texts that the sources of one output have in it, in their order, with `headerLines` and without added newlines. */
export function withoutHeaders(texts: Buffer[], headerLines: number): ExpectedText[] {
  const first = texts.findIndex(({ length }) => length > 0);
  const header = headerLines === 0 ? undefined : firstLines(texts[first] ?? Buffer.alloc(0), headerLines);
  return texts.map((text, i) => {
    const own = i > first && header !== undefined ? firstLines(text, headerLines) : undefined;
    if (own === undefined || header === undefined || !own.equals(header)) return { text, header: 0 };
    return { text: text.subarray(header.length), header: header.length };
  });
}

/** The text of an output; with `ensure`, there is a newline behind each source that lacks its last one. */
export function joined(texts: Buffer[], newline: 'ensure' | 'none'): Buffer {
  const lacks = (text: Buffer): boolean => newline === 'ensure' && text.length > 0 && text.at(-1) !== 0x0a;
  return Buffer.concat(texts.flatMap((text) => (lacks(text) ? [text, Buffer.from('\n')] : [text])));
}
