import type { Settings } from '../../settings/table.ts';
import { type Format, expectedFormat, isSameFormat, nameOf } from '../model/format.ts';
import { extensionOf } from '../model/kind.ts';
import { type Piece, lengthOf } from '../model/output.ts';

/** Sources of a class that are sampled, where the first batch has it; of a later class, one. */
const SAMPLES = 3;
/** Classes that are told apart by their folders; sources of further ones are told by their extensions alone. */
const MOST_CLASSES = 64;
/** Longer extensions, and those with digits, are taken for a part of the name. */
const EXTENSION = /^\.[a-z]{1,8}$/;

/** The settings that decide which sources are sampled. */
export type FormatSettings = Pick<Settings, 'sourceFormat' | 'targetSize' | 'codec'>;

/**
 * The formats that sources are taken for when they are planned. Sources whose keys look alike are a class: the first page
 * that has one is sampled, and where its samples agree the whole class has their format. Where they do not, each source of
 * the class is sampled. Bodies are checked against it as they arrive: see `FormatMistaken`.
 */
export class SourceFormats {
  readonly #settings: FormatSettings;
  readonly #samplesAll: boolean;
  /** The format of a class; `mixed` where its samples differ. */
  readonly #classes = new Map<string, Format | 'mixed'>();
  /** Classes that are told apart by their folders too. */
  readonly #folders = new Set<string>();
  /** The classes of the current batch, by key. */
  #batch = new Map<string, string>();
  /** Sources of the current batch that were sampled, by key. */
  #sampled = new Map<string, Format>();
  #isFirstBatch = true;

  /** @param samplesAll true to sample every source, because an earlier plan was mistaken */
  constructor(settings: FormatSettings, samplesAll: boolean) {
    this.#settings = settings;
    this.#samplesAll = samplesAll;
  }

  /** The format that a source is taken for: the one that is set, its own sample, that of its class, or what its key says. */
  formatOf(piece: Piece): Format {
    const { sourceFormat } = this.#settings;
    if (piece.from?.coded !== undefined) return { kind: 'plain' };
    if (sourceFormat !== 'auto') return { kind: sourceFormat };
    const { key } = piece.source;
    const sampled = this.#sampled.get(key);
    if (sampled !== undefined) return sampled;
    const ofClass = this.#classes.get(this.#classOf(key));
    return ofClass === undefined || ofClass === 'mixed' ? expectedFormat(key) : ofClass;
  }

  /** Begins a batch of sources that are planned next, and returns those to sample first. */
  begin(pieces: Piece[]): Piece[] {
    this.#sampled = new Map();
    if (this.#settings.sourceFormat !== 'auto') return [];
    const tellable = pieces.filter(({ from }) => from?.coded === undefined);
    if (this.#samplesAll) return tellable;
    // Where later batches end may depend on how fast they came, and what is sampled must not.
    const samples = this.#isFirstBatch ? SAMPLES : 1;
    if (tellable.length > 0) this.#isFirstBatch = false;
    this.#batch = new Map(tellable.map(({ source: { key } }) => [key, this.#register(key)]));
    const byClass = Map.groupBy(tellable, ({ source }) => this.#classOf(source.key));
    return [...byClass].flatMap(([name, members]) => {
      const known = this.#classes.get(name);
      if (known === 'mixed') return members;
      const ofClass = known === undefined ? spread(members, samples) : [];
      return [...new Set([...ofClass, ...members.filter((piece) => this.#isAlone(piece))])];
    });
  }

  /**
   * Takes the samples of a batch.
   *
   * @returns further sources of the batch to sample: those of classes that proved to be mixed
   */
  take(batch: Piece[], samples: { piece: Piece; format: Format }[]): Piece[] {
    for (const { piece, format } of samples) this.#sampled.set(piece.source.key, format);
    if (this.#samplesAll) return [];
    const byClass = Map.groupBy(samples, ({ piece }) => this.#classOf(piece.source.key));
    const mixed = new Set<string>();
    for (const [name, [first, ...others]] of byClass) {
      if (first === undefined || this.#classes.has(name)) continue;
      // Sources that are refused are named, so that each is looked at.
      const agree =
        first.format.kind !== undefined && others.every(({ format }) => isSameFormat(format, first.format));
      this.#classes.set(name, agree ? first.format : 'mixed');
      if (!agree) mixed.add(name);
    }
    if (mixed.size === 0) return [];
    return batch.filter(({ source: { key }, from }) => {
      if (from?.coded !== undefined || this.#sampled.has(key)) return false;
      return mixed.has(this.#classOf(key));
    });
  }

  /** True of a source that is copied inside S3 into an output of its own: no body of it arrives to be checked. */
  #isAlone(piece: Piece): boolean {
    return this.#settings.codec === 'keep' && lengthOf(piece) >= this.#settings.targetSize;
  }

  /** The class of a key. */
  #classOf(key: string): string {
    return this.#batch.get(key) ?? this.#register(key);
  }

  /**
   * The class of a key that comes next in the order of keys: its folder, with all numbers alike, and its extension. Once there
   * are too many, new ones have no folder.
   */
  #register(key: string): string {
    const extension = extensionOf(key, 'plain');
    const ending = `${nameOf(expectedFormat(key))} ${EXTENSION.test(extension) ? extension : ''}`;
    const folder = key.slice(0, key.lastIndexOf('/') + 1).replace(/[0-9a-f]{8,}|\d+/gi, '0');
    const withFolder = `${folder}\0${ending}`;
    if (this.#folders.size < MOST_CLASSES) this.#folders.add(withFolder);
    return this.#folders.has(withFolder) ? withFolder : ending;
  }
}

/** Up to so many of the pieces: the first one, the last one, and those evenly between. */
function spread(pieces: Piece[], count: number): Piece[] {
  const step = count === 1 ? 0 : (pieces.length - 1) / (count - 1);
  return Array.from({ length: Math.min(count, pieces.length) }, (_, i) => {
    const at = pieces.length <= count ? i : Math.round(i * step);
    return pieces[at] as Piece;
  });
}
