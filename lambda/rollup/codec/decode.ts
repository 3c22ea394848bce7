import { createGunzip, createZstdDecompress } from 'node:zlib';
import type { Form } from '../model/encoding.ts';
import { corrupt } from './source-format.ts';
import { CHUNK, ZlibStream } from './zlib-stream.ts';

/**
 * Decodes an object that comes in chunks: every gzip member, every zstd frame, to its last byte. Zeros behind the last gzip
 * member are skipped, as gzip does: tapes and block devices pad with them. A chunk is valid until the next one is asked for.
 *
 * @param key of the object, for the error
 * @param onPadding is called where zeros are skipped
 * @throws RollupError `SourceCorrupt` where a member or frame is cut short or damaged, or where something else follows
 */
export async function* decode(
  form: Form,
  chunks: AsyncIterable<Buffer>,
  key: string,
  onPadding: () => void = () => undefined,
): AsyncGenerator<Buffer> {
  if (form === 'plain') {
    yield* chunks;
    return;
  }
  let stream: ZlibStream | undefined;
  let isBehindMember = false;
  let isPadded = false;
  try {
    for await (const chunk of chunks) {
      for (let rest = chunk; rest.length > 0;) {
        if (stream === undefined && isBehindMember && form === 'gzip' && (isPadded || rest[0] === 0)) {
          if (!isPadded) onPadding();
          isPadded = true;
          if (rest.some((byte) => byte !== 0)) throw corrupt(key, 'goes on behind the zeros that pad it');
          break;
        }
        stream ??= open(form);
        rest = rest.subarray(yield* stream.write(rest));
        // The decoder of zstd ends with a frame. That of gzip goes on to the next member, but ends before a zero byte.
        if (stream.ended) {
          stream.close();
          stream = undefined;
          isBehindMember = true;
        }
      }
    }
    if (stream !== undefined) yield* stream.end();
  } catch (error) {
    throw isZlib(error) ? corrupt(key, `is no whole ${form}: ${reason(error)}`, error) : error;
  } finally {
    stream?.close();
  }
}

function open(form: 'gzip' | 'zstd'): ZlibStream {
  const options = { chunkSize: CHUNK };
  return new ZlibStream(form === 'gzip' ? createGunzip(options) : createZstdDecompress(options));
}

/** True for an error of node:zlib, whose code is such as `Z_DATA_ERROR` or `ZSTD_error_…`. */
function isZlib(error: unknown): error is Error & { code: string } {
  return error instanceof Error && 'code' in error && /^Z(STD)?_/.test(String(error.code));
}

function reason({ code, message }: Error & { code: string }): string {
  return code === 'Z_BUF_ERROR' ? 'it is cut short' : message;
}
