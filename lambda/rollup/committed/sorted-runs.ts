import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { KiB, MiB } from '../../size.ts';
import { compareKeys } from '../model/key-order.ts';
import { type StoredSource } from '../model/manifest.ts';
import { parseSource } from './source-lines.ts';

/** Text of all runs together that is not compressed, and of one of them. */
const OPEN_TEXT = 8 * MiB;
const MOST_BLOCK = 128 * KiB;
/** Sources that are handed on at a time. */
const BATCH = 1000;

type Keyed = Pick<StoredSource, 'key' | 'output'>;

/** A run, as far as it was cut; runs are numbered in the order in which they begin. */
interface Cuttable {
  readonly number: number;
  last: string;
}

/**
 * Cuts the lines of an index into as few runs as may be that are in key order each. The index is by output: where kinds or
 * folders have outputs of their own, and where late sources came, one output begins before another ends. An output's
 * lines are added to the run whose last key comes closest before them.
 */
class Cut<R extends Cuttable> {
  /** By their last keys, but for the one that is added to. */
  readonly #others: R[] = [];
  readonly #begin: (number: number, last: string) => R;
  #current: R | undefined;
  #output: string | undefined;
  #begun = 0;

  constructor(begin: (number: number, last: string) => R) {
    this.#begin = begin;
  }

  /** The run that the next line goes to. */
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

  /** How many of the others end before a key. */
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

/** The first run of an index. Where that is all of it, as it is of one kind that was committed at once, no more is done. */
async function* firstRun(stored: AsyncIterable<StoredSource[]>): AsyncGenerator<StoredSource[]> {
  const cut = new Cut((number, last) => ({ number, last }));
  for await (const sources of stored) {
    const first = sources.filter((source) => cut.runOf(source).number === 0);
    if (first.length > 0) yield first;
  }
}

/** Lines of a run, compressed. */
interface Block {
  text: Buffer;
  /** Of the lines, in pairs: the how manieth line of the block, and its ordinal; those between count on. */
  ordinals: Uint32Array;
}

/** A run, held as blocks of compressed lines. */
class Run implements Cuttable {
  readonly number: number;
  last: string;
  readonly blocks: Block[] = [];
  readonly #text: Buffer;
  #used = 0;
  #lines = 0;
  #ordinals: number[] = [];
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
 * The sources of an index in key order, though the index has another. Its lines are cut into runs; the first is read from
 * the index as it is asked for, and the others, if there are any, are held compressed, some 70 bytes a source.
 */
export class SortedRuns {
  readonly #others: Run[];
  readonly #key: string;

  private constructor(others: Run[], key: string) {
    this.#others = others;
    this.#key = key;
  }

  /** Reads an index, all of it, and holds what has to be held. `key`: of the index. */
  static async read(lines: AsyncIterable<string[]>, key: string): Promise<SortedRuns> {
    const others: Run[] = [];
    const cut = new Cut((number, last) => {
      // The sum over many runs grows with the logarithm of their number.
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
   * All sources in key order; those of one key by their place in the index. `stored`: the same index. `release`: what was
   * read is let go, and nothing can be read again.
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
          // As much is between two sources of the first run as there may be.
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

/** The next source of a run. */
class Head {
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

  /** False behind the last. */
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

/** A heap of runs by their next source. */
class Heap {
  readonly #heads: Head[];

  constructor(heads: Head[]) {
    this.#heads = heads;
    for (let at = (heads.length >> 1) - 1; at >= 0; at--) this.#sink(at);
  }

  get least(): Head | undefined {
    return this.#heads[0];
  }

  /** The least one went on to its next source, or has none. */
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
