import { type IHasher, createCRC64 } from 'hash-wasm';

/** The polynomial of CRC-64/NVME, in its reflected form, in halves of 32 bits. */
const HIGH = 0x9a6c9329;
const LOW = 0xac4bc9b5;

/** A polynomial of 64 bits, reflected, in halves: JavaScript's BigInt takes a hundred times as long. */
type Polynomial = readonly [high: number, low: number];

/** Multiplies two polynomials over GF(2), modulo that of CRC-64/NVME. */
function multiply([aHigh, aLow]: Polynomial, [bHigh, bLow]: Polynomial): Polynomial {
  let high = 0;
  let low = 0;
  for (let bit = 63; bit >= 0; bit--) {
    const half = bit > 31 ? aHigh : aLow;
    if (((half >>> (bit & 31)) & 1) === 1) {
      high ^= bHigh;
      low ^= bLow;
    }
    const carry = bLow & 1;
    bLow = (bLow >>> 1) | (bHigh << 31);
    bHigh >>>= 1;
    if (carry === 1) {
      bHigh ^= HIGH;
      bLow ^= LOW;
    }
  }
  return [high >>> 0, low >>> 0];
}

/** x^(8 * 2^n) at index n, each the square of the one before: shifts by 2^n bytes. */
const POWERS: Polynomial[] = [[0x00800000, 0]];
for (let n = 1; n < 48; n++) POWERS.push(multiply(POWERS[n - 1] ?? [0, 0], POWERS[n - 1] ?? [0, 0]));

/**
 * The CRC-64/NVME of two byte strings joined, as `combineCrc32` does it for the CRC-32. All are 16 hex digits.
 *
 * @param secondLength bytes of the second string
 */
export function combineCrc64(first: string, second: string, secondLength: number): string {
  let shifted = parse(first);
  for (let n = 0, length = secondLength; length > 0; n++, length = Math.floor(length / 2)) {
    if (length % 2 === 1) shifted = multiply(POWERS[n] ?? [0, 0], shifted);
  }
  const [high, low] = parse(second);
  return format(shifted[0] ^ high) + format(shifted[1] ^ low);
}

function parse(digits: string): Polynomial {
  return [Number.parseInt(digits.slice(0, 8), 16), Number.parseInt(digits.slice(8), 16)];
}

function format(half: number): string {
  return (half >>> 0).toString(16).padStart(8, '0');
}

/** WebAssembly, at twice the speed or more of the SDK's JavaScript. */
let hasher: IHasher | undefined;

/**
 * The function that computes the CRC-64/NVME of bytes, as 16 hex digits. It is loaded where it is first needed, and not with
 * this module: one that waits where it is loaded cannot be required by CommonJS.
 */
export async function loadCrc64(): Promise<(bytes: Uint8Array) => string> {
  const loaded = (hasher ??= await createCRC64(HIGH.toString(16) + LOW.toString(16)));
  return (bytes) => loaded.init().update(bytes).digest();
}
