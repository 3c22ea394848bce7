import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { KiB, MiB } from '../size.ts';
import { compareKeys } from './key-order.ts';
import { type StoredSource, parseSource } from './source-lines.ts';

/** Text of all runs together that is not compressed, and of one of them. */
const OPEN_TEXT = 8 * MiB;
const MOST_BLOCK = 128 * KiB;
/** Sources that are handed on at a time. */
const BATCH = 1000;

type Keyed = Pick<StoredSource, 'key' | 'output'>;

/**
 * Cuts the lines of an index into as few runs as may be that are in key order each. The index is by output: where kinds or
 * folders have outputs of their own, and where late sources came, one output begins before another ends. An output's
 * lines are added to the run whose last key comes closest before them.
 */
class Cut<R extends { last: string }> {
  /** By their last keys, but for the one that is added to. */
  readonly #others: R[] = [];
  readonly #begin: (key: string) => R;
  #current: R | undefined;
  #output: string | undefined;

  constructor(begin: (key: string) => R) {
    this.#begin = begin;
  }

  /** The run that the next line goes to. */
  runOf({ key, output }: Keyed): R {
    const current = this.#current;
    if (current === undefined || output !== this.#output || compareKeys(current.last, key) >= 0) {
      this.#output = output;
      if (current !== undefined) this.#others.splice(this.#below(current.last), 0, current);
      const [best] = this.#others.splice(Math.max(0, this.#below(key) - 1), this.#below(key) === 0 ? 0 : 1);
      this.#current = best ?? this.#begin(key);
    }
    const run = this.#current as R;
    run.last = key;
    return run;
  }

  get runs(): R[] {
    return this.#current === undefined ? this.#others : [...this.#others, this.#current];
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

/** Counts the runs of an index. */
export async function countRuns(chunks: AsyncIterable<Keyed[]>): Promise<number> {
  const cut = new Cut((last) => ({ last }));
  for await (const chunk of chunks) for (const source of chunk) cut.runOf(source);
  return cut.runs.length;
}

/** Lines of a run, compressed. */
interface Block {
  text: Buffer;
  /** Of the lines, in pairs: the how manieth line of the block, and its ordinal; those between count on. */
  ordinals: Uint32Array;
}

/** A run, held as blocks of compressed lines. */
class Run {
  last: string;
  readonly blocks: Block[] = [];
  readonly #text: Buffer;
  #used = 0;
  #lines = 0;
  #ordinals: number[] = [];
  #next = -1;

  constructor(last: string, blockSize: number) {
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
    const compressed = deflateRawSync(text, { level: 1 });
    this.blocks.push({ text: Buffer.from(compressed), ordinals: Uint32Array.from(this.#ordinals) });
    this.#used = 0;
    this.#lines = 0;
    this.#ordinals = [];
  }
}

/** The lines of an index, cut into runs and held compressed, some 70 bytes a source. */
export class HeldRuns {
  readonly #runs: Run[];
  readonly #key: string;

  private constructor(runs: Run[], key: string) {
    this.#runs = runs;
    this.#key = key;
  }

  /** `key`: of the index. `runs`: how many there are. */
  static async read(lines: AsyncIterable<string[]>, key: string, runs: number): Promise<HeldRuns> {
    const blockSize = Math.max(1, Math.min(MOST_BLOCK, Math.floor(OPEN_TEXT / Math.max(1, runs))));
    const cut = new Cut((last) => new Run(last, blockSize));
    let ordinal = 0;
    for await (const chunk of lines) {
      for (const line of chunk) {
        const source = parseSource(line, ordinal, key);
        cut.runOf(source).add(line, ordinal);
        ordinal++;
      }
    }
    for (const run of cut.runs) run.close();
    return new HeldRuns(cut.runs, key);
  }

  /** All sources in key order; those of one key by their place in the index. `release`: what was read is let go. */
  *merge(release: boolean): Generator<StoredSource[]> {
    const heads = this.#runs.map((run) => new Head(run.blocks, this.#key, release));
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
      if (child + 1 < heads.length && isBefore(heads[child + 1] as Head, heads[child] as Head)) child++;
      if (!isBefore(heads[child] as Head, head)) break;
      heads[at] = heads[child] as Head;
      at = child;
    }
    heads[at] = head;
  }
}

function isBefore({ source: a }: Head, { source: b }: Head): boolean {
  return (compareKeys(a.key, b.key) || a.ordinal - b.ordinal) < 0;
}
