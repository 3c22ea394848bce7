import { crc32 } from 'node:zlib';
import { END_OF_HEAD, MOST_HEAD_BYTES, type ResponseHead, bodyLength, parseHead } from './response-head.ts';

/**
 * What the bytes of a response have come to.
 *
 * - `head`: not all of the head is there.
 * - `body`: not all of the body is there.
 * - `read`: the body is in its place, and nothing came behind it.
 * - `other`: a response of another status; its body is not read.
 * - `length`: the expected response with a body of another length than its place has; it is not read.
 * - `odd`: not the HTTP/1.1 that is read here.
 */
export type ReaderState =
  | { is: 'head' | 'body' }
  | { is: 'odd' }
  | { is: 'read'; head: ResponseHead }
  | { is: 'other'; head: ResponseHead }
  | { is: 'length'; length: number };

const IN_HEAD: ReaderState = { is: 'head' };
const IN_BODY: ReaderState = { is: 'body' };
const ODD: ReaderState = { is: 'odd' };

/**
 * Reads one response from bytes that come in pieces of any size: a head of at most 16 KiB with exactly one Content-Length, and
 * a body of that length, which is copied to its place as it comes. Nothing is written beside that place.
 */
export class ResponseReader {
  readonly #into: Buffer;
  readonly #status: number;
  readonly #isSummed: (head: ResponseHead) => boolean;
  #text = '';
  #head: ResponseHead | undefined;
  #at = 0;
  #crc32 = 0;
  #sums = false;

  /**
   * @param into the place of the body, of just its length
   * @param status the one that is expected: 200, or 206 for a range
   * @param isSummed true if the CRC-32 of a response's body is to be computed
   */
  constructor(into: Buffer, status: number, isSummed: (head: ResponseHead) => boolean = () => true) {
    this.#into = into;
    this.#status = status;
    this.#isSummed = isSummed;
  }

  /** Bytes of the body that have come. */
  get received(): number {
    return this.#at;
  }

  /** CRC-32 of the bytes of the body that have come; 0 where it is not computed. */
  get crc32(): number {
    return this.#crc32;
  }

  /** Takes the first `length` bytes of a buffer, which may be used again afterwards. Not called again after the last state. */
  take(bytes: Buffer, length: number): ReaderState {
    if (this.#head !== undefined) return this.#takeBody(this.#head, bytes, 0, length);
    const before = this.#text.length;
    const most = MOST_HEAD_BYTES + END_OF_HEAD.length - before;
    const taken = Math.min(length, most);
    // Mostly the whole head has come, and the beginning of the body with it, of which no text is made.
    const whole = before === 0 ? bytes.subarray(0, taken).indexOf(END_OF_HEAD, 0, 'latin1') : -1;
    this.#text += bytes.toString('latin1', 0, whole === -1 ? taken : whole + END_OF_HEAD.length);
    const end = this.#text.indexOf(END_OF_HEAD, Math.max(0, before - END_OF_HEAD.length + 1));
    if (end === -1) return length >= most ? ODD : IN_HEAD;

    const head = parseHead(this.#text.slice(0, end));
    if (head === undefined) return ODD;
    if (head.status !== this.#status) return { is: 'other', head };
    const announced = bodyLength(head);
    if (announced === undefined) return ODD;
    if (announced !== this.#into.length) return { is: 'length', length: announced };
    this.#head = head;
    this.#sums = this.#isSummed(head);
    this.#text = '';
    return this.#takeBody(head, bytes, end + END_OF_HEAD.length - before, length);
  }

  #takeBody(head: ResponseHead, bytes: Buffer, from: number, to: number): ReaderState {
    const next = this.#at + to - from;
    // Bytes behind a body belong to no response that was asked for: where this one ends is not certain either.
    if (next > this.#into.length) return ODD;
    if (to > from) {
      bytes.copy(this.#into, this.#at, from, to);
      if (this.#sums) this.#crc32 = crc32(bytes.subarray(from, to), this.#crc32);
      this.#at = next;
    }
    return next === this.#into.length ? { is: 'read', head } : IN_BODY;
  }
}
