import { RollupError } from '../../errors.ts';
import { FIRST_BYTES, formatOfText, nameOf } from '../model/format.ts';
import type { Kind } from '../model/kind.ts';

/**
 * Looks at the decoded texts of an output: each must be text, not another format within the one that was decoded, and all of
 * one character set, as far as a byte order mark of UTF-16 tells it from others.
 */
export class Charsets {
  #first: { key: string; kind: Kind } | undefined;

  /**
   * The text of the next source, unchanged.
   *
   * @throws RollupError `SourceNotDecodable` for what is no text, `SourceNotJoinable` for text in another character set
   */
  async *check(text: AsyncIterable<Buffer>, key: string): AsyncGenerator<Buffer> {
    let isLooked = false;
    // A decoder may begin with a chunk of a few bytes.
    let held: Buffer = Buffer.alloc(0);
    for await (const chunk of text) {
      if (isLooked) {
        yield chunk;
        continue;
      }
      if (held.length === 0 && chunk.length >= FIRST_BYTES) {
        this.#look(chunk, key);
        isLooked = true;
        yield chunk;
        continue;
      }
      held = Buffer.concat([held, chunk]);
      if (held.length < FIRST_BYTES) continue;
      this.#look(held, key);
      isLooked = true;
      yield held;
    }
    if (isLooked || held.length === 0) return;
    this.#look(held, key);
    yield held;
  }

  #look(bytes: Buffer, key: string): void {
    const format = formatOfText(bytes);
    const { kind } = format;
    if (kind === undefined || (kind !== 'plain' && kind !== 'utf16le' && kind !== 'utf16be')) {
      const message = `${key} holds ${nameOf(format)} within what was decoded, which is no text. Join it as it is (codec keep), or keep it under a prefix of its own.`;
      throw new RollupError('SourceNotDecodable', message, { key });
    }
    this.#first ??= { key, kind };
    if (this.#first.kind === kind) return;
    const message = `${key} is ${nameOf(format)}, and ${this.#first.key} before it is ${nameOf(this.#first)}: they cannot share an output. Keep them under prefixes of their own.`;
    throw new RollupError('SourceNotJoinable', message, { key });
  }
}
