import { createHash } from 'node:crypto';
import { type Encoding, formOfCodec } from '../model/encoding.ts';
import { type Location, formatLocation } from '../model/location.ts';
import { type Piece, type PlannedOutput } from '../model/output.ts';
import {
  type Kind,
  commonExtension,
  extensionOf,
  innerExtensionOf,
  kindOf,
  suffixOf,
} from '../model/kind.ts';

/** What the name of an output in a folder ends with: it tells the rollups apart whose folders lie in one another. */
export function ownerOf(destination: Location): string {
  return createHash('sha256').update(formatLocation(destination)).digest('hex').slice(0, 8);
}

/** Sources that may share outputs: of one kind, in one folder. */
interface Open {
  kind: Kind;
  /** Under the destination: empty, or with its slash. */
  folder: string;
  pieces: Piece[];
  weight: number;
}

export interface PackOptions {
  targetSize: number;
  newline: 'ensure' | 'none';
  /** ETag of the manifest that is planned from, empty where there is none. No two manifests of an hour have the same. */
  basis: string;
  /** Of what is planned. */
  generation: number;
  destination: Location;
  firstIndex: number;
  /** How outputs are written whose sources are decoded; undefined where they are joined as they are. */
  encoding: Encoding | undefined;
  /** Bytes of an output that a source takes up, or is expected to. */
  weigh: (piece: Piece) => number;
}

/**
 * Packs sources, given in key order, into outputs. It holds no more than the outputs that are open, one a kind and folder,
 * so a listing can be packed as it comes.
 */
export class Packer {
  readonly #options: PackOptions;
  readonly #open = new Map<string, Open>();
  #index: number;

  constructor(options: PackOptions) {
    this.#options = options;
    this.#index = options.firstIndex;
  }

  /** Returns the outputs that this source closes: it may be none, and with a large source it may be two. */
  add(piece: Piece, folder = ''): PlannedOutput[] {
    const { targetSize, encoding, weigh } = this.#options;
    const kind = kindOfOutput(piece.source.key, encoding);
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

  /** Closes what is still open, in the order in which the kinds and folders first came. */
  end(): PlannedOutput[] {
    return [...this.#open.keys()].flatMap((slot) => this.#close(slot));
  }

  #close(slot: string): PlannedOutput[] {
    const open = this.#open.get(slot);
    this.#open.delete(slot);
    return open === undefined ? [] : [this.#output('assemble', open)];
  }

  #output(asIs: 'assemble' | 'copy', { kind, folder, pieces, weight }: Open): PlannedOutput {
    const shape = shapeOutput(this.#options, { index: this.#index++, asIs, kind, folder, pieces });
    return { ...shape, expectedSize: Math.round(weight) };
  }
}

/** What is packed into one output, and where. */
export interface Packed {
  index: number;
  /** Its mode where its sources are not decoded. */
  asIs: 'assemble' | 'copy';
  kind: Kind;
  /** Under the destination: empty, or with its slash. */
  folder: string;
  pieces: Piece[];
}

/** All of an output that follows from what is packed into it: its key too, which no other plan than one of this commit has. */
export function shapeOutput(
  {
    basis,
    generation,
    destination,
    newline,
    encoding,
  }: Pick<PackOptions, 'basis' | 'generation' | 'destination' | 'newline' | 'encoding'>,
  { index, asIs, kind, folder, pieces }: Packed,
): Omit<PlannedOutput, 'expectedSize'> {
  const mode = encoding === undefined ? asIs : 'encode';
  const ensureNewline =
    newline === 'ensure' && (mode === 'encode' || (kind === 'plain' && mode === 'assemble'));
  const coding = encoding === undefined ? [] : [encoding.codec, encoding.level];
  const grouped = folder === '' ? [] : [{ folder }];
  const digest = digestOf([1, basis, generation, mode, ensureNewline, ...coding, ...grouped], pieces);
  const owner = folder === '' ? '' : `-${ownerOf(destination)}`;
  const extension = encoding === undefined ? sharedExtension(kind, pieces) : codedExtension(kind, pieces);
  const name = `part-${String(index).padStart(5, '0')}-${digest}${owner}${extension}`;
  return {
    key: destination.prefix + folder + name,
    ...{ index, kind, mode },
    ...(encoding === undefined ? {} : { encoding }),
    size: pieces.reduce((sum, { source }) => sum + source.size, 0),
    ...{ ensureNewline, pieces },
  };
}

/** The kind of the output that a source belongs into. What cannot be joined was refused before (see `refuseUnreadable`). */
export function kindOfOutput(sourceKey: string, encoding: Encoding | undefined): Kind {
  return encoding === undefined ? (kindOf(sourceKey) ?? 'plain') : formOfCodec(encoding.codec);
}

/**
 * 12 hex digits of the SHA-256 of all that decides an output's bytes, and of the commit it was planned from: see
 * docs/decisions/0001-keys-are-bound-to-a-commit.md.
 */
function digestOf(shape: unknown[], pieces: Piece[]): string {
  const hash = createHash('sha256').update(JSON.stringify(shape));
  for (const { source } of pieces) hash.update(`\n${JSON.stringify([source.key, source.etag, source.size])}`);
  return hash.digest('hex').slice(0, 12);
}

function sharedExtension(kind: Kind, pieces: Piece[]): string {
  return shared(pieces, extensionOf) ?? commonExtension(kind);
}

/** What the sources' text shares, and the codec's own: `.json.gz` of `.json` and `.json.zst`. */
function codedExtension(kind: Kind, pieces: Piece[]): string {
  const inner = shared(pieces, innerExtensionOf);
  return inner === undefined ? commonExtension(kind) : inner + suffixOf(kind);
}

/** The extension that all have; undefined where they differ or have none. */
function shared(pieces: Piece[], extension: (key: string) => string): string | undefined {
  const extensions = new Set(pieces.map(({ source }) => extension(source.key)));
  const [first] = extensions;
  return extensions.size === 1 && first !== '' ? first : undefined;
}
