const SURROGATE = /[\ud800-\udfff]/;

/** Compares by UTF-8 bytes. UTF-16 order differs only between surrogates and U+E000 to U+FFFF. */
export function compareUtf8(a: string, b: string): number {
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

function compareUtf16(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Keys in UTF-8 byte order. Changes are collected, and merged at the next read. */
export class SortedKeys {
  #sorted: string[] = [];
  readonly #added = new Set<string>();
  readonly #removed = new Set<string>();
  #compare = compareUtf16;

  /** Adds a key that must not be in the list. */
  add(key: string): void {
    if (!this.#removed.delete(key)) this.#added.add(key);
    if (SURROGATE.test(key)) this.#compare = compareUtf8;
  }

  /** Removes a key that must be in the list. */
  remove(key: string): void {
    if (!this.#added.delete(key)) this.#removed.add(key);
  }

  all(): readonly string[] {
    if (this.#removed.size > 0) this.#sorted = this.#sorted.filter((key) => !this.#removed.has(key));
    if (this.#added.size > 0)
      this.#sorted = merge(this.#sorted, [...this.#added].sort(this.#compare), this.#compare);
    this.#added.clear();
    this.#removed.clear();
    return this.#sorted;
  }

  /** Index of the first key, from index `from` on, that is not before `bound`. */
  seek(bound: string, from = 0): number {
    return lowerBound(this.all(), (key) => this.#before(key, bound), from);
  }

  /** Index of the first key after `index` that does not begin with `prefix`; the key at `index` must. */
  skip(prefix: string, index: number): number {
    return lowerBound(this.all(), (key) => key.startsWith(prefix), index);
  }

  #before(key: string, bound: string): boolean {
    return (SURROGATE.test(bound) ? compareUtf8 : this.#compare)(key, bound) < 0;
  }
}

function lowerBound(keys: readonly string[], before: (key: string) => boolean, from: number): number {
  let low = from;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (before(keys[middle] ?? '')) low = middle + 1;
    else high = middle;
  }
  return low;
}

function merge(a: string[], b: string[], compare: (a: string, b: string) => number): string[] {
  const merged: string[] = [];
  let i = 0;
  for (const key of b) {
    for (let next = a[i]; next !== undefined && compare(next, key) < 0; next = a[++i]) merged.push(next);
    merged.push(key);
  }
  for (; i < a.length; i++) merged.push(a[i] ?? '');
  return merged;
}
