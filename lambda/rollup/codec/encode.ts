import { constants, createGzip, createZstdCompress } from 'node:zlib';
import type { Encoding } from '../model/encoding.ts';
import { CHUNK, ZlibStream } from './zlib-stream.ts';

/**
 * What goes into an encoder at a time. The same text has to give the same bytes, however it was chunked: zlib and zstd
 * may look no further ahead than to the end of what they were handed.
 */
const PIECE = 256 * 1024;

/** One gzip member or one zstd frame, or, with `none`, the text itself. */
export async function* encode(encoding: Encoding, text: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const stream = open(encoding);
  if (stream === undefined) {
    yield* text;
    return;
  }
  try {
    for await (const piece of inPieces(text)) yield* stream.write(piece);
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

/** In the same buffer every time: what is yielded is to be done with before the next is asked for. */
async function* inPieces(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const piece = Buffer.allocUnsafeSlow(PIECE);
  let held = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length;) {
      const copied = chunk.copy(piece, held, at);
      at += copied;
      held += copied;
      if (held < PIECE) break;
      yield piece;
      held = 0;
    }
  }
  if (held > 0) yield piece.subarray(0, held);
}
