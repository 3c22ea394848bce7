import { constants, createGzip, createZstdCompress } from 'node:zlib';
import type { Encoding } from '../model/encoding.ts';
import { CHUNK, ZlibStream } from './zlib-stream.ts';

/**
 * Bytes that an encoder is given at a time. The same text has to give the same bytes, however it was chunked, and zlib and
 * zstd look no further ahead than to the end of what they were given.
 */
const BLOCK = 256 * 1024;

/**
 * Encodes a text as one gzip member or one zstd frame; with the codec `none` it stays as it is. A chunk is valid until the next
 * one is asked for.
 */
export async function* encode(encoding: Encoding, text: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const stream = open(encoding);
  if (stream === undefined) {
    yield* text;
    return;
  }
  try {
    for await (const block of inBlocks(text)) yield* stream.write(block);
    yield* stream.end();
  } finally {
    stream.close();
  }
}

function open({ codec, level }: Encoding): ZlibStream | undefined {
  switch (codec) {
    case 'none':
      return undefined;
    case 'gzip':
      return new ZlibStream(createGzip({ level, chunkSize: CHUNK }));
    case 'zstd':
      return new ZlibStream(
        createZstdCompress({
          chunkSize: CHUNK,
          // With the checksum that the zstd program writes too.
          params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 },
        }),
      );
  }
}

/** Regroups chunks into blocks of one size. All are in the same buffer: be done with one before asking for the next. */
async function* inBlocks(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const block = Buffer.allocUnsafeSlow(BLOCK);
  let held = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length;) {
      const copied = chunk.copy(block, held, at);
      at += copied;
      held += copied;
      if (held < BLOCK) break;
      yield block;
      held = 0;
    }
  }
  if (held > 0) yield block.subarray(0, held);
}
