import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ReaderState, ResponseReader } from '../../../lambda/s3/transport/response-reader.ts';

const BODY = 'line 1\nline 2\n';
const HEAD = `HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: ${BODY.length}\r\n\r\n`;

/** Reads a response in pieces, through a buffer that is overwritten after each; returns the last state and what surrounds the place. */
function read(text: string, cuts: number[] = [], status = 200) {
  const slab = Buffer.alloc(BODY.length + 8, 0xee);
  const reader = new ResponseReader(slab.subarray(4, -4), status);
  const bytes = Buffer.from(text, 'latin1');
  const shared = Buffer.alloc(Math.max(1, bytes.length));
  let state: ReaderState = { is: 'head' };
  let from = 0;
  for (const to of [...cuts.toSorted((a, b) => a - b), bytes.length]) {
    if (to === from || !['head', 'body'].includes(state.is)) continue;
    bytes.copy(shared, 0, from, to);
    state = reader.take(shared, to - from);
    shared.fill(0);
    from = to;
  }
  const around = Buffer.concat([slab.subarray(0, 4), slab.subarray(-4)]);
  expect(around).toEqual(Buffer.alloc(8, 0xee));
  return { state, body: slab.subarray(4, -4).toString(), crc32: reader.crc32 };
}

describe('a response is read', () => {
  it('whichever byte it is cut at', () => {
    const text = HEAD + BODY;
    for (let cut = 0; cut <= text.length; cut++) {
      const { state, body, crc32: crc } = read(text, [cut]);
      expect(state).toMatchObject({ is: 'read', head: { status: 200, headers: { etag: '"e"' } } });
      expect([body, crc]).toEqual([BODY, crc32(BODY)]);
    }
  });

  it('in any pieces, down to single bytes', () => {
    const text = HEAD + BODY;
    const cuts = fc.array(fc.nat(text.length), { maxLength: text.length });
    fc.assert(
      fc.property(cuts, (given) => {
        expect(read(text, given)).toMatchObject({ state: { is: 'read' }, body: BODY });
      }),
    );
    expect(
      read(
        text,
        Array.from({ length: text.length }, (_, i) => i),
      ),
    ).toMatchObject({ state: { is: 'read' }, body: BODY });
  });

  it.each([
    ['without a reason phrase', HEAD.replace(' OK', '')],
    ['with a list of what may be said twice', HEAD.replace('ETag', 'Vary: a\r\nVary: b\r\nETag')],
    [
      'with a head of just under 16 KiB',
      HEAD.replace('ETag', `X: ${'x'.repeat(16_380 - HEAD.length)}\r\nETag`),
    ],
  ])('%s', (_, head) => {
    expect(read(head + BODY)).toMatchObject({ state: { is: 'read' }, body: BODY });
  });
});

it.each([
  ['a byte behind the body', `${HEAD}${BODY}x`],
  ['another response behind the body', `${HEAD}${BODY}${HEAD}${BODY}`],
  ['no Content-Length', `HTTP/1.1 200 OK\r\n\r\n${BODY}`],
  ['two Content-Lengths', `HTTP/1.1 200 OK\r\nContent-Length: 14\r\nContent-Length: 14\r\n\r\n${BODY}`],
  ['a list of Content-Lengths', `HTTP/1.1 200 OK\r\nContent-Length: 14, 14\r\n\r\n${BODY}`],
  ['a Content-Length with a sign', `HTTP/1.1 200 OK\r\nContent-Length: +14\r\n\r\n${BODY}`],
  ['a Content-Length in hex', `HTTP/1.1 200 OK\r\nContent-Length: 0xe\r\n\r\n${BODY}`],
  ['an empty Content-Length', `HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n${BODY}`],
  ['a Content-Length too long for a number', `HTTP/1.1 200 OK\r\nContent-Length: ${'9'.repeat(16)}\r\n\r\n`],
  ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ne\r\n'],
  [
    'chunks and a Content-Length',
    `HTTP/1.1 200 OK\r\nContent-Length: 14\r\nTransfer-Encoding: chunked\r\n\r\n${BODY}`,
  ],
  ['100 Continue first', `HTTP/1.1 100 Continue\r\n\r\n${HEAD}${BODY}`],
  ['HTTP/1.0', HEAD.replace('1.1', '1.0') + BODY],
  ['HTTP/2', HEAD.replace('HTTP/1.1', 'HTTP/2') + BODY],
  ['a status of two digits', HEAD.replace('200', '20') + BODY],
  ['an empty line before the status', `\r\n${HEAD}${BODY}`],
  ['a folded header', HEAD.replace('ETag: "e"', 'X: a\r\n b') + BODY],
  ['a space before the colon', HEAD.replace('Content-Length:', 'Content-Length :') + BODY],
  ['a header without a colon', HEAD.replace('ETag: "e"', 'ETag') + BODY],
  ['a line that ends with LF alone', HEAD.replace('"e"\r\n', '"e"\n') + BODY],
  ['a CR within a header', HEAD.replace('"e"', '"e\r"') + BODY],
  ['a NUL within a header', HEAD.replace('"e"', '"e\0"') + BODY],
  ['two ETags', HEAD.replace('ETag: "e"', 'ETag: "e"\r\nETag: "f"') + BODY],
  ['two checksums', HEAD.replace('ETag: "e"', 'x-amz-checksum-crc32: a\r\nX-Amz-Checksum-Crc32: b') + BODY],
  ['a head above 16 KiB', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(20_000)}\r\nContent-Length: 14\r\n\r\n${BODY}`],
  ['a head without an end', `HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(4_000)}`],
  ['no HTTP at all', 'x'.repeat(20_000)],
])('%s is odd, in one piece and in many', (_, text) => {
  expect(read(text).state.is).toBe('odd');
  const cuts = Array.from({ length: Math.ceil(text.length / 7) }, (__, i) => i * 7);
  expect(read(text, cuts).state.is).toBe('odd');
});

it.each<[string, string, object]>([
  [
    'an error',
    'HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nno',
    { is: 'other', head: { status: 404 } },
  ],
  ['a whole object where a part was asked for', HEAD + BODY, { is: 'other', head: { status: 200 } }],
  [
    'a redirect without a body',
    'HTTP/1.1 307 Temporary Redirect\r\n\r\n',
    { is: 'other', head: { status: 307 } },
  ],
  [
    'a longer object',
    'HTTP/1.1 206 Partial Content\r\nContent-Length: 15\r\n\r\n',
    { is: 'length', length: 15 },
  ],
  [
    'a shorter object',
    'HTTP/1.1 206 Partial Content\r\nContent-Length: 0\r\n\r\n',
    { is: 'length', length: 0 },
  ],
])('%s is told, and nothing of it is read', (_, text, state) => {
  expect(read(text, [], 206)).toMatchObject({ state, body: read('').body, crc32: 0 });
});
