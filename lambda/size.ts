/** Bytes of each unit that a size may be written with. */
const UNITS: Record<string, number> = {
  '': 1,
  B: 1,
  K: 2 ** 10,
  KiB: 2 ** 10,
  KB: 1e3,
  M: 2 ** 20,
  MiB: 2 ** 20,
  MB: 1e6,
  G: 2 ** 30,
  GiB: 2 ** 30,
  GB: 1e9,
};

export const KiB = 2 ** 10;
export const MiB = 2 ** 20;
export const GiB = 2 ** 30;

/** `32MiB`, `32M`, `33554432` -> 33554432; `32MB` -> 32000000; undefined for a text that is no size. */
export function parseSize(text: string): number | undefined {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(text.trim()) ?? [];
  const factor = UNITS[unit ?? '?'];
  if (digits === undefined || factor === undefined) return undefined;
  const bytes = Number(digits) * factor;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** 33554432 -> `32 MiB`, 1717986918 -> `1.6 GiB`. */
export function formatSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1023.95 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || Number.isInteger(value) ? 0 : value < 100 ? 1 : 0;
  return `${value.toFixed(digits)} ${units[unit] ?? 'B'}`;
}
