import { createHash, type Hash } from 'node:crypto';
import { S3Error } from './s3-error.ts';
import type { ChunkSigner } from './sigv4.ts';

/** Most bytes of a chunk header or a trailer line. */
const LONGEST_LINE = 16 * 1024;

/**
 * Removes the framing of an `aws-chunked` body: `size[;chunk-signature=...]\r\n data \r\n`, a chunk of size 0,
 * then trailers. https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
 */
export class AwsChunkedDecoder {
  readonly trailers: Record<string, string> = {};
  readonly #signer: ChunkSigner | undefined;
  #state: 'size' | 'data' | 'data-end' | 'trailers' | 'done' = 'size';
  #line = '';
  #left = 0;
  #hash: Hash | undefined;
  #signature = '';
  #signedTrailers = '';

  constructor(signer: ChunkSigner | undefined) {
    this.#signer = signer;
  }

  get done(): boolean {
    return this.#state === 'done';
  }

  *decode(input: Buffer): Iterable<Buffer> {
    for (let at = 0; at < input.length;) {
      if (this.#state === 'data') {
        const data = input.subarray(at, at + this.#left);
        at += data.length;
        this.#left -= data.length;
        this.#hash?.update(data);
        if (this.#left === 0) this.#endChunk();
        yield data;
      } else {
        const end = input.indexOf(10, at);
        this.#line += input.toString('latin1', at, end < 0 ? input.length : end + 1);
        at = end < 0 ? input.length : end + 1;
        if (this.#line.length > LONGEST_LINE) throw malformed('a line is too long');
        if (end >= 0) this.#takeLine(this.#line.replace(/\r?\n$/, ''));
      }
    }
  }

  #takeLine(line: string): void {
    this.#line = '';
    switch (this.#state) {
      case 'size':
        this.#startChunk(line);
        break;
      case 'data-end':
        if (line !== '') throw malformed('a chunk is longer than its size');
        this.#state = 'size';
        break;
      case 'trailers':
        this.#takeTrailer(line);
        break;
      case 'data':
      case 'done':
        throw malformed('bytes after the last chunk');
    }
  }

  #startChunk(line: string): void {
    const match = /^([0-9a-f]{1,8})(?:;chunk-signature=([0-9a-f]{64}))?$/i.exec(line);
    if (!match) throw malformed('a chunk has no size');
    this.#left = Number.parseInt(match[1] ?? '', 16);
    this.#signature = match[2] ?? '';
    if (this.#signer) this.#hash = createHash('sha256');
    this.#state = 'data';
    if (this.#left > 0) return;
    this.#endChunk();
    this.#state = 'trailers';
  }

  #endChunk(): void {
    if (this.#hash) this.#signer?.chunk(this.#hash.digest('hex'), this.#signature);
    this.#hash = undefined;
    this.#state = 'data-end';
  }

  #takeTrailer(line: string): void {
    if (line === '') {
      this.#state = 'done';
      this.#signer?.trailers(this.#signedTrailers, this.trailers['x-amz-trailer-signature']);
      return;
    }
    const colon = line.indexOf(':');
    if (colon < 1) throw malformed('a trailer has no name');
    const name = line.slice(0, colon).trim().toLowerCase();
    const value = line.slice(colon + 1).trim();
    this.trailers[name] = value;
    if (name !== 'x-amz-trailer-signature') this.#signedTrailers += `${name}:${value}\n`;
  }
}

function malformed(reason: string): S3Error {
  return new S3Error('IncompleteBody', `The request body is not aws-chunked: ${reason}`);
}
