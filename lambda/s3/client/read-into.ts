import type { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { RollupError } from '../../errors.ts';
import { release } from '../../chunk.ts';

/**
 * Copies a body into a buffer of just its length, as it arrives. The memory of the body's chunks is freed: nobody else may
 * use them.
 *
 * @param key names the object in errors
 * @param idleMs milliseconds without a byte after which the body has stalled: the SDK's timeouts end with the headers
 * @returns the CRC-32 of the bytes
 * @throws RollupError `ShortBody`, `BodyStalled`, `Aborted` or what the signal was aborted with
 */
export function readInto(
  body: Readable,
  into: Buffer,
  key: string,
  signal: AbortSignal,
  idleMs: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    let at = 0;
    let crc = 0;
    const idle = setTimeout(() => {
      body.destroy(stalled(key, idleMs));
    }, idleMs);
    const stop = (): void => {
      body.destroy(
        signal.reason instanceof Error ? signal.reason : new RollupError('Aborted', 'The run was stopped.'),
      );
    };
    const settle = (error?: unknown): void => {
      clearTimeout(idle);
      signal.removeEventListener('abort', stop);
      const whole = at === into.length;
      if (error === undefined && whole) resolve(crc);
      else reject(error instanceof RollupError ? error : short(key, at, into.length, error));
    };
    body.on('data', (chunk: Buffer) => {
      idle.refresh();
      if (at + chunk.length > into.length) {
        at += chunk.length;
        body.destroy(short(key, at, into.length));
        return;
      }
      into.set(chunk, at);
      crc = crc32(chunk, crc);
      at += chunk.length;
      release(chunk);
    });
    body.once('end', settle);
    body.once('error', settle);
    body.once('close', settle);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}

/** The error of a body that sent no byte for `idleMs` milliseconds. */
export function stalled(key: string, idleMs: number): RollupError {
  return new RollupError('BodyStalled', `${key} sent nothing for ${idleMs / 1000} s.`, { key });
}

/** The error of a body of another length than its response announced, in bytes. */
export function short(key: string, got: number, expected: number, cause?: unknown): RollupError {
  return new RollupError('ShortBody', `${key} sent ${got} bytes where ${expected} were announced.`, {
    key,
    cause,
  });
}
