import { createHash } from 'node:crypto';
import { type Encoding, formOfCodec } from '../model/encoding.ts';
import { type Kind, commonExtension, extensionOf } from '../model/kind.ts';
import { type Location, formatLocation } from '../model/location.ts';
import type { Piece, PlannedOutput } from '../model/output.ts';

/**
 * Eight hex digits of the destination, at the end of the names of outputs in folders: they tell the outputs of rollups
 * apart whose destinations lie in one another.
 */
export function ownerOf(destination: Location): string {
  return createHash('sha256').update(formatLocation(destination)).digest('hex').slice(0, 8);
}

/** An output that takes more sources, of one kind and for one folder. */
interface OpenOutput {
  kind: Kind;
  /** Under the destination: empty, or with its slash. */
  folder: string;
  pieces: Piece[];
  /** Bytes that the pieces take up in the output, as `weigh` says. */
  weight: number;
}

/** All that decides how sources are packed. Sizes are in bytes. */
export interface PackOptions {
  targetSize: number;
  newline: 'ensure' | 'none';
  /** ETag of the manifest that the plan is made from, empty if there is none. No two manifests of an hour have the same. */
  basis: string;
  /** Generation of the manifest that the plan leads to. */
  generation: number;
  destination: Location;
  /** Index of the first output. */
  firstIndex: number;
  /** The format of outputs whose sources are decoded; undefined if sources are joined as they are. */
  encoding: Encoding | undefined;
  /** Header lines of each source: see `PlannedOutput`. */
  headerLines: number;
  /** Returns the bytes that a source takes up in an output, or is expected to. */
  weigh: (piece: Piece) => number;
}

/**
 * Packs sources, which are added in key order, into outputs. It holds one open output for each kind and folder and nothing
 * else, so that a listing can be packed as it is read.
 */
export class Packer {
  readonly #options: PackOptions;
  /** By folder and kind. */
  readonly #open = new Map<string, OpenOutput>();
  #index: number;

  constructor(options: PackOptions) {
    this.#options = options;
    this.#index = options.firstIndex;
  }

  /**
   * Adds a source. One of `targetSize` or more gets an output of its own, and closes the open one before it.
   *
   * @param sourceKind the kind that the source is taken for
   * @returns the outputs that are closed by this source: none, one or two
   */
  add(piece: Piece, sourceKind: Kind, folder = ''): PlannedOutput[] {
    const { targetSize, encoding, weigh } = this.#options;
    const kind = kindOfOutput(sourceKind, encoding);
    const weight = weigh(piece);
    const slot = folder + kind;
    const open = this.#open.get(slot) ?? { kind, folder, pieces: [], weight: 0 };
    if (weight >= targetSize)
      return [...this.#close(slot), this.#output('copy', { ...open, pieces: [piece], weight })];
    if (open.pieces.length === 0) this.#open.set(slot, open);
    open.pieces.push(piece);
    open.weight += weight;
    return open.weight >= targetSize ? this.#close(slot) : [];
  }

  /** Closes the open outputs, in the order in which they were opened. */
  end(): PlannedOutput[] {
    return [...this.#open.keys()].flatMap((slot) => this.#close(slot));
  }

  #close(slot: string): PlannedOutput[] {
    const open = this.#open.get(slot);
    this.#open.delete(slot);
    return open === undefined ? [] : [this.#output('assemble', open)];
  }

  #output(asIs: 'assemble' | 'copy', { kind, folder, pieces, weight }: OpenOutput): PlannedOutput {
    const shape = shapeOutput(this.#options, { index: this.#index++, asIs, kind, folder, pieces });
    return { ...shape, expectedSize: Math.round(weight) };
  }
}

/** The content of one output. */
export interface Packed {
  index: number;
  /** The mode of the output if its sources are not decoded. */
  asIs: 'assemble' | 'copy';
  kind: Kind;
  /** Under the destination: empty, or with its slash. */
  folder: string;
  pieces: Piece[];
}

/**
 * A planned output, but for its expected size, from its content. Its key is bound to the commit that the plan was made from:
 * a plan that was made from another commit never has it.
 */
export function shapeOutput(
  {
    basis,
    generation,
    destination,
    newline,
    encoding,
    headerLines,
  }: Pick<PackOptions, 'basis' | 'generation' | 'destination' | 'newline' | 'encoding' | 'headerLines'>,
  { index, asIs, kind, folder, pieces }: Packed,
): Omit<PlannedOutput, 'expectedSize'> {
  const mode = encoding === undefined ? asIs : 'encode';
  const ensureNewline =
    newline === 'ensure' && (mode === 'encode' || (kind === 'plain' && mode === 'assemble'));
  const coding = encoding === undefined ? [] : [encoding.codec, encoding.level];
  const grouped = folder === '' ? [] : [{ folder }];
  const headers = headerLines === 0 ? [] : [{ headerLines }];
  const shape = [2, basis, generation, mode, kind, ensureNewline, ...coding, ...grouped, ...headers];
  const digest = digestOf(shape, pieces);
  const owner = folder === '' ? '' : `-${ownerOf(destination)}`;
  const extension = sharedExtension(kind, pieces);
  const name = `part-${String(index).padStart(5, '0')}-${digest}${owner}${extension}`;
  return {
    key: destination.prefix + folder + name,
    index,
    kind,
    mode,
    ...(encoding === undefined ? {} : { encoding }),
    ...(headerLines === 0 ? {} : { headerLines }),
    size: pieces.reduce((sum, { source }) => sum + source.size, 0),
    ensureNewline,
    pieces,
  };
}

/** The kind of the output that a source of this kind belongs to. */
export function kindOfOutput(sourceKind: Kind, encoding: Encoding | undefined): Kind {
  return encoding === undefined ? sourceKind : formOfCodec(encoding.codec);
}

/**
 * 12 hex digits of the SHA-256 of all that decides an output's bytes, and of the commit that it was planned from. See
 * docs/decisions/0001-keys-are-bound-to-a-commit.md.
 */
function digestOf(shape: unknown[], pieces: Piece[]): string {
  const hash = createHash('sha256').update(JSON.stringify(shape));
  for (const { source } of pieces) hash.update(`\n${JSON.stringify([source.key, source.etag, source.size])}`);
  return hash.digest('hex').slice(0, 12);
}

/** The extension that the keys of all sources give an output of this kind; the common one if they differ or have none. */
function sharedExtension(kind: Kind, pieces: Piece[]): string {
  const extensions = new Set(pieces.map(({ source }) => extensionOf(source.key, kind)));
  const [first = ''] = extensions;
  return extensions.size === 1 && first !== '' ? first : commonExtension(kind);
}
