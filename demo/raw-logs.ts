import { createHash } from 'node:crypto';

export interface RawObject {
  key: string;
  body: Buffer;
}

const SEED = 20261121;
const HOUR = Date.UTC(2026, 10, 21, 8);
const HOUR_MS = 3_600_000;
const SMALLEST = 100_000;
const LARGEST = 1_000_000;
/**
 * Bytes of text that bodies are cut out of: rendering the lines of a whole gigabyte would take longer than the rollup.
 */
const TEXT_BYTES = 6_000_000;
const NEWLINE = 0x0a;

/** An hour of JSON lines in objects of 100 KB to 1 MB, the same at every call, in key order. */
export function* rawLogs(prefix: string, count: number): Generator<RawObject> {
  const random = randomFrom(SEED);
  const text = renderLines(random);
  for (let i = 0; i < count; i++) {
    const time = HOUR + Math.floor((i / count) * HOUR_MS);
    yield { key: keyAt(prefix, time, `raw ${i}`), body: cut(text, i / count, random) };
  }
}

/** Objects for after the first rollup. Their keys sort before, between and behind the others. */
export function* lateLogs(prefix: string, count: number): Generator<RawObject> {
  const random = randomFrom(SEED + 1);
  const text = renderLines(random);
  for (let i = 0; i < count; i++) {
    const time = HOUR - 1_000 + Math.floor((i / count) * (HOUR_MS + 2_000));
    yield { key: keyAt(prefix, time, `late ${i}`), body: cut(text, i / count, random) };
  }
}

/** Such as `…/checkout-2026-11-21-08-00-01-3f2a9c1b7d4e.log`. */
function keyAt(prefix: string, time: number, name: string): string {
  const stamp = new Date(time).toISOString().slice(0, 19).replace(/[T:]/g, '-');
  return `${prefix}checkout-${stamp}-${createHash('sha256').update(name).digest('hex').slice(0, 12)}.log`;
}

/** Whole lines of the text, from about this share of the hour on. */
function cut(text: Buffer, share: number, random: () => number): Buffer {
  const size = SMALLEST + Math.floor(random() * (LARGEST - SMALLEST));
  const start = text.indexOf(NEWLINE, Math.floor(share * (text.length - LARGEST - 1_000))) + 1;
  return text.subarray(start, text.lastIndexOf(NEWLINE, start + size) + 1);
}

const ROUTES = [
  ['GET', '/v1/carts/{id}'],
  ['POST', '/v1/carts/{id}/items'],
  ['PUT', '/v1/carts/{id}/address'],
  ['POST', '/v1/orders'],
  ['GET', '/v1/orders/{id}'],
  ['POST', '/v1/payments/{id}/capture'],
] as const;
const OUTCOMES = [
  { share: 0.965, level: 'info', status: 200, message: 'request completed' },
  { share: 0.99, level: 'warn', status: 429, message: 'too many requests, told to come back' },
  { share: 0.998, level: 'warn', status: 404, message: 'no such cart' },
  { share: 1, level: 'error', status: 502, message: 'payment provider did not answer in time' },
] as const;

function renderLines(random: () => number): Buffer {
  const lines: string[] = [];
  const hex = (digits: number): string =>
    Math.floor(random() * 16 ** digits)
      .toString(16)
      .padStart(digits, '0');
  for (let bytes = 0; bytes < TEXT_BYTES;) {
    const [method, route] = ROUTES[Math.floor(random() * ROUTES.length)] ?? ROUTES[0];
    const chance = random();
    const { level, status, message } = OUTCOMES.find(({ share }) => chance < share) ?? OUTCOMES[0];
    const line = JSON.stringify({
      time: new Date(HOUR + Math.floor((bytes / TEXT_BYTES) * HOUR_MS)).toISOString(),
      level,
      service: 'checkout',
      host: `ip-10-0-${Math.floor(random() * 4)}-${Math.floor(random() * 250)}`,
      requestId: `${hex(8)}-${hex(4)}-4${hex(3)}-9${hex(3)}-${hex(12)}`,
      method,
      path: route.replace('{id}', hex(8)),
      status,
      latencyMs: Number((2 - Math.log(random()) * (status === 502 ? 4_000 : 35)).toFixed(1)),
      bytes: 200 + Math.floor(random() * 4_000),
      message,
    });
    lines.push(line);
    bytes += line.length + 1;
  }
  return Buffer.from(`${lines.join('\n')}\n`);
}

/** Mulberry32: numbers from 0 to below 1, the same for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
