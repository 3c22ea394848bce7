import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { KiB, MiB } from '../../size.ts';
import { compareKeys } from '../model/key-order.ts';
import { type StoredSource } from '../model/manifest.ts';
import { parseSource } from './source-lines.ts';

/** Bytes of text that all runs together hold and have not compressed yet, about at most. */
const OPEN_TEXT = 8 * MiB;
/** Bytes of a block of text, at most. */
const MOST_BLOCK = 128 * KiB;
/** Sources that are yielded at a time. */
const BATCH = 1000;

type Keyed = Pick<StoredSource, 'key' | 'output'>;

/** A sequence of lines in key order. Runs are numbered from 0, in the order in which they begin. */
interface Cuttable {
  readonly number: number;
  /** The key of its last line so far. */
  last: string;
}

/**
 * Cuts the lines of an index into runs that are in key order each, as few as possible. The index is sorted by output: where
 * kinds or folders have outputs of their own, or late sources were added, an output may begin at a key before the end of
 * another. The lines of an output are added to the run whose last key comes closest before them.
 */
class Cut<R extends Cuttable> {
  /** All runs but the current one, by their last keys. */
  readonly #others: R[] = [];
  /** Creates a run. */
  readonly #begin: (number: number, last: string) => R;
  #current: R | undefined;
  #output: string | undefined;
  #begun = 0;

  constructor(begin: (number: number, last: string) => R) {
    this.#begin = begin;
  }

  /** Returns the run that the next line belongs to. */
  runOf({ key, output }: Keyed): R {
    let run = this.#current;
    if (run === undefined || output !== this.#output || compareKeys(run.last, key) >= 0) {
      if (run !== undefined) this.#others.splice(this.#below(run.last), 0, run);
      const below = this.#below(key);
      [run] = below === 0 ? [] : this.#others.splice(below - 1, 1);
      run ??= this.#begin(this.#begun++, key);
      this.#current = run;
      this.#output = output;
    }
    run.last = key;
    return run;
  }

  /** The number of other runs that end before a key. */
  #below(key: string): number {
    let [low, high] = [0, this.#others.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareKeys((this.#others[middle] as R).last, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Yields the sources of the first run of an index: all of them, if the index is in key order. */
async function* firstRun(stored: AsyncIterable<StoredSource[]>): AsyncGenerator<StoredSource[]> {
  const cut = new Cut((number, last) => ({ number, last }));
  for await (const sources of stored) {
    const first = sources.filter((source) => cut.runOf(source).number === 0);
    if (first.length > 0) yield first;
  }
}

/** Compressed lines of a run. */
interface Block {
  text: Buffer;
  /**
   * The ordinals of the lines, as pairs: the number of a line in the block, from 0, and its ordinal. Ordinals of the lines
   * up to the next pair count on from there.
   */
  ordinals: Uint32Array;
}

/** A run that is held in memory, as blocks of compressed lines. */
class Run implements Cuttable {
  readonly number: number;
  last: string;
  readonly blocks: Block[] = [];
  /** The lines of the block that is still open, its bytes in use, its lines and its pairs of ordinals. */
  readonly #text: Buffer;
  #used = 0;
  #lines = 0;
  #ordinals: number[] = [];
  /** The ordinal that needs no pair of its own. */
  #next = -1;

  constructor(number: number, last: string, blockSize: number) {
    this.number = number;
    this.last = last;
    this.#text = Buffer.allocUnsafeSlow(blockSize);
  }

  add(line: string, ordinal: number): void {
    const length = Buffer.byteLength(line) + 1;
    if (this.#used + length > this.#text.length) this.close();
    if (ordinal !== this.#next || this.#lines === 0) this.#ordinals.push(this.#lines, ordinal);
    this.#next = ordinal + 1;
    this.#lines++;
    if (length > this.#text.length) {
      this.#push(Buffer.from(`${line}\n`));
      return;
    }
    this.#text.write(`${line}\n`, this.#used);
    this.#used += length;
  }

  /** Compresses the last block. */
  close(): void {
    if (this.#used > 0) this.#push(this.#text.subarray(0, this.#used));
  }

  #push(text: Buffer): void {
    const compressed = deflateRawSync(text, { level: 1, chunkSize: 2 * text.length + KiB });
    this.blocks.push({ text: Buffer.from(compressed), ordinals: Uint32Array.from(this.#ordinals) });
    this.#used = 0;
    this.#lines = 0;
    this.#ordinals = [];
  }
}

/**
 * Reads the sources of an index in key order, although the index is sorted by output. Its lines are cut into runs that are
 * in key order (see `Cut`). The first run is read from the index each time; the others, if there are any, are held
 * compressed, some 70 bytes a source. Then all runs are merged.
 */
export class SortedRuns {
  readonly #others: Run[];
  readonly #key: string;

  private constructor(others: Run[], key: string) {
    this.#others = others;
    this.#key = key;
  }

  /** Reads all lines of the index `key` once, and holds every run but the first. */
  static async read(lines: AsyncIterable<string[]>, key: string): Promise<SortedRuns> {
    const others: Run[] = [];
    const cut = new Cut((number, last) => {
      // Blocks of later runs are smaller, so that the sum over many runs grows with the logarithm of their number.
      const blockSize = Math.floor(Math.min(MOST_BLOCK, OPEN_TEXT / (number + 1)));
      const run = new Run(number, last, blockSize);
      if (number > 0) others.push(run);
      return run;
    });
    let ordinal = 0;
    for await (const chunk of lines) {
      for (const line of chunk) {
        const run = cut.runOf(parseSource(line, ordinal, key));
        if (run.number > 0) run.add(line, ordinal);
        ordinal++;
      }
    }
    for (const run of others) run.close();
    return new SortedRuns(others, key);
  }

  /**
   * Yields all sources in key order, those of one key in the order of the index.
   *
   * @param stored the sources in the order of the same index
   * @param release true where this is the last time: blocks are freed as they are read
   */
  async *merge(stored: AsyncIterable<StoredSource[]>, release: boolean): AsyncGenerator<StoredSource[]> {
    if (this.#others.length === 0) {
      yield* stored;
      return;
    }
    const others = this.#mergeOthers(release);
    let held = others.next();
    let at = 0;
    for await (const sources of firstRun(stored)) {
      let batch: StoredSource[] = [];
      for (const source of sources) {
        for (; held.done !== true && isBefore(held.value[at], source); at++) {
          batch.push(held.value[at] as StoredSource);
          if (at + 1 < held.value.length) continue;
          // Any number of sources may lie between two of the first run: they are yielded batch by batch.
          yield batch;
          batch = [];
          held = others.next();
          at = -1;
        }
        batch.push(source);
      }
      yield batch;
    }
    if (held.done !== true) yield held.value.slice(at);
    yield* others;
  }

  *#mergeOthers(release: boolean): Generator<StoredSource[]> {
    const heads = this.#others.map((run) => new Head(run.blocks, this.#key, release));
    const heap = new Heap(heads.filter((head) => head.advance()));
    let batch: StoredSource[] = [];
    for (let head = heap.least; head !== undefined; head = heap.least) {
      batch.push(head.source);
      heap.settle(head.advance());
      if (batch.length < BATCH) continue;
      yield batch;
      batch = [];
    }
    if (batch.length > 0) yield batch;
  }
}

/** A reader of a held run, which stands at one of its sources. */
class Head {
  /** Undefined before the first `advance`. */
  source!: StoredSource;
  readonly #blocks: (Block | undefined)[];
  readonly #key: string;
  readonly #release: boolean;
  #block = 0;
  #open: StoredSource[] = [];
  #at = 0;

  constructor(blocks: (Block | undefined)[], key: string, release: boolean) {
    this.#blocks = blocks;
    this.#key = key;
    this.#release = release;
  }

  /** Goes on to the next source. Returns false after the last. */
  advance(): boolean {
    if (this.#at === this.#open.length) {
      const block = this.#blocks[this.#block];
      if (block === undefined) return false;
      if (this.#release) this.#blocks[this.#block] = undefined;
      this.#block++;
      this.#at = 0;
      this.#open = parseBlock(block, this.#key);
    }
    this.source = this.#open[this.#at++] as StoredSource;
    return true;
  }
}

function parseBlock({ text, ordinals }: Block, key: string): StoredSource[] {
  const lines = inflateRawSync(text).toString('utf8').split('\n');
  lines.pop();
  let pair = 0;
  let ordinal = 0;
  return lines.map((line, i) => {
    if (ordinals[pair] === i) {
      ordinal = ordinals[pair + 1] ?? 0;
      pair += 2;
    }
    return parseSource(line, ordinal++, key);
  });
}

/** A binary heap of readers; the one at the least source is at its top. */
class Heap {
  readonly #heads: Head[];

  constructor(heads: Head[]) {
    this.#heads = heads;
    for (let at = (heads.length >> 1) - 1; at >= 0; at--) this.#sink(at);
  }

  get least(): Head | undefined {
    return this.#heads[0];
  }

  /** Restores the order after the least reader has advanced. `hasNext`: false if it was at its end and is removed. */
  settle(hasNext: boolean): void {
    if (!hasNext) {
      const last = this.#heads.pop() as Head;
      if (this.#heads.length === 0) return;
      this.#heads[0] = last;
    }
    this.#sink(0);
  }

  #sink(from: number): void {
    const heads = this.#heads;
    const head = heads[from] as Head;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heads.length) break;
      if (child + 1 < heads.length && isBefore(heads[child + 1]?.source, (heads[child] as Head).source))
        child++;
      if (!isBefore(heads[child]?.source, head.source)) break;
      heads[at] = heads[child] as Head;
      at = child;
    }
    heads[at] = head;
  }
}

function isBefore(a: StoredSource | undefined, b: StoredSource): boolean {
  return a !== undefined && (compareKeys(a.key, b.key) || a.ordinal - b.ordinal) < 0;
}
