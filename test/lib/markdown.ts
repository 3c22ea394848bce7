import { readFileSync } from 'node:fs';

/** A page of docs/. */
export function page(name: string): string {
  return readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');
}

/** The anchors that GitHub gives a page's headings. The second of two equal headings ends with `-1`. */
export function anchors(markdown: string): string[] {
  const outsideCode = markdown.replaceAll(/^```[^]*?^```$/gm, '');
  const seen = new Map<string, number>();
  return [...outsideCode.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => {
    const anchor = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-');
    const times = seen.get(anchor) ?? 0;
    seen.set(anchor, times + 1);
    return times === 0 ? anchor : `${anchor}-${times}`;
  });
}
