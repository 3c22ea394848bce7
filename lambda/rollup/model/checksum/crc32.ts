import { crc32 } from 'node:zlib';

const POLYNOMIAL = 0xedb88320;

/** Multiplies two polynomials over GF(2), modulo CRC-32's, in its reflected form. */
function multiply(a: number, b: number): number {
  let product = 0;
  for (let mask = 0x80000000; mask !== 0; mask >>>= 1) {
    if ((a & mask) !== 0) product ^= b;
    b = (b & 1) === 0 ? b >>> 1 : (b >>> 1) ^ POLYNOMIAL;
  }
  return product >>> 0;
}

/** x^(8 * 2^n) at index n, each the square of the one before: shifts by 2^n bytes. */
const POWERS: number[] = [0x00800000];
for (let n = 1; n < 48; n++) POWERS.push(multiply(POWERS[n - 1] ?? 0, POWERS[n - 1] ?? 0));

/**
 * The CRC-32 of two byte strings joined: that of the first, multiplied by x^(8 * `secondLength`), plus that of the second.
 * Node has zlib's `crc32`, but not its `crc32_combine`.
 *
 * @param secondLength bytes of the second string
 */
export function combineCrc32(first: number, second: number, secondLength: number): number {
  let shifted = first;
  for (let n = 0, length = secondLength; length > 0; n++, length = Math.floor(length / 2)) {
    if (length % 2 === 1) shifted = multiply(POWERS[n] ?? 0, shifted);
  }
  return (shifted ^ second) >>> 0;
}

export { crc32 };
