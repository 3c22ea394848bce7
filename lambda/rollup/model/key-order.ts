/**
 * Compares keys in the order in which S3 lists them, by their UTF-8 bytes: negative if `a` comes first, positive if `b` does.
 * JavaScript's own order is by UTF-16 code units, which puts characters beyond the BMP (surrogates, D800-DFFF) before
 * E000-FFFF; the rank puts them behind.
 */
export function compareKeys(a: string, b: string): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}
