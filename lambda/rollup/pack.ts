import { createHash } from 'node:crypto';
import { type Kind, commonExtension, extensionOf, kindOf } from './kind.ts';
import type { ListedObject } from './store.ts';

/** Where the bytes of a source that has left raw are: in a committed output, from `offset`. */
export interface Origin {
  key: string;
  etag: string;
  offset: number;
  /** The output holds nothing else. */
  whole: boolean;
}

/** A source and where to read it: in raw, or in a committed output. */
export interface Piece {
  source: ListedObject;
  from: Origin | undefined;
}

export interface PlannedOutput {
  key: string;
  index: number;
  kind: Kind;
  /** `copy`: one source of `targetSize` or more that S3 copies itself, as it is. */
  mode: 'assemble' | 'copy';
  /** The sources' bytes, without newlines that are added. */
  size: number;
  /** Whether a source that lacks its last newline is given one. */
  ensureNewline: boolean;
  pieces: Piece[];
}

export interface PackOptions {
  targetSize: number;
  newline: 'ensure' | 'none';
  /** The commit that is planned from, empty where there is none. */
  basis: string;
  /** Of what is planned. */
  generation: number;
  destinationPrefix: string;
  firstIndex: number;
}

/**
 * Packs sources, given in key order, into outputs. It holds no more than the outputs that are open, one a kind,
 * so a listing can be packed as it comes.
 */
export class Packer {
  readonly #options: PackOptions;
  readonly #open = new Map<Kind, Piece[]>();
  readonly #sizes = new Map<Kind, number>();
  #index: number;

  constructor(options: PackOptions) {
    this.#options = options;
    this.#index = options.firstIndex;
  }

  /** Returns the outputs that this source closes: it may be none, and with a large source it may be two. */
  add(piece: Piece): PlannedOutput[] {
    // What cannot be joined is refused before anything is read (see `refuseUnreadable`).
    const kind = kindOf(piece.source.key) ?? 'plain';
    const { targetSize } = this.#options;
    if (piece.source.size >= targetSize) {
      return [...this.#close(kind), this.#output(kind, 'copy', [piece], piece.source.size)];
    }
    const pieces = this.#open.get(kind) ?? [];
    if (pieces.length === 0) this.#open.set(kind, pieces);
    pieces.push(piece);
    const size = (this.#sizes.get(kind) ?? 0) + piece.source.size;
    this.#sizes.set(kind, size);
    return size >= targetSize ? this.#close(kind) : [];
  }

  /** Closes what is still open, in the order in which the kinds first came. */
  end(): PlannedOutput[] {
    return [...this.#open.keys()].flatMap((kind) => this.#close(kind));
  }

  #close(kind: Kind): PlannedOutput[] {
    const pieces = this.#open.get(kind) ?? [];
    const size = this.#sizes.get(kind) ?? 0;
    this.#open.delete(kind);
    this.#sizes.delete(kind);
    return pieces.length === 0 ? [] : [this.#output(kind, 'assemble', pieces, size)];
  }

  #output(kind: Kind, mode: PlannedOutput['mode'], pieces: Piece[], size: number): PlannedOutput {
    const { basis, generation, destinationPrefix, newline } = this.#options;
    const ensureNewline = newline === 'ensure' && kind === 'plain' && mode === 'assemble';
    const index = this.#index++;
    const digest = digestOf([1, basis, generation, mode, ensureNewline], pieces);
    const name = `part-${String(index).padStart(5, '0')}-${digest}${sharedExtension(kind, pieces)}`;
    return { key: destinationPrefix + name, index, kind, mode, size, ensureNewline, pieces };
  }
}

/**
 * 12 hex digits of the SHA-256 of all that decides an output's bytes, and of the commit it was planned from: see
 * docs/decisions/0001-keys-are-bound-to-a-commit.md.
 */
function digestOf(shape: (string | number | boolean)[], pieces: Piece[]): string {
  const hash = createHash('sha256').update(JSON.stringify(shape));
  for (const { source } of pieces) hash.update(`\n${JSON.stringify([source.key, source.etag, source.size])}`);
  return hash.digest('hex').slice(0, 12);
}

function sharedExtension(kind: Kind, pieces: Piece[]): string {
  const extensions = new Set(pieces.map(({ source }) => extensionOf(source.key)));
  const [first] = extensions;
  return extensions.size === 1 && first !== undefined && first !== '' ? first : commonExtension(kind);
}
