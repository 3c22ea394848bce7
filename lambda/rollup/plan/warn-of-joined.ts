import type { Kind } from '../model/kind.ts';
import type { PlannedOutput } from '../model/output.ts';
import type { RunWarning } from '../model/run.ts';

/** Extensions by kinds of which common readers take the first of several joined streams alone, or refuse the file. */
const STOPPED_AT: Partial<Record<Kind, string>> = { zstd: '.zst', bzip2: '.bz2', xz: '.xz' };

/**
 * Counts planned outputs in which compressed sources are joined as they are, so that the output is several frames or streams
 * one behind the other. The formats allow that, and their own tools read all of it. Other readers do not.
 */
export class JoinedOutputs {
  readonly #found = new Map<string, { count: number; key: string }>();

  /** Counts an output if it is one. An output of a single source is as the source was. */
  add({ key, kind, mode, pieces }: PlannedOutput): void {
    const extension = STOPPED_AT[kind];
    if (extension === undefined || mode !== 'assemble' || pieces.length < 2) return;
    const before = this.#found.get(extension);
    this.#found.set(extension, { count: (before?.count ?? 0) + 1, key: before?.key ?? key });
  }

  /** One warning for all of them; none where nothing was counted. */
  get warnings(): RunWarning[] {
    const [first] = this.#found.values();
    if (first === undefined) return [];
    const named = [...this.#found].map(([extension, { count }]) => `${count} ${extension}`).join(', ');
    const total = [...this.#found.values()].reduce((sum, { count }) => sum + count, 0);
    const message = `${total === 1 ? 'An output is' : 'Outputs are'} joined from compressed sources as they are (${named}): many readers stop after the first source, or refuse the file. --codec gzip or zstd writes one stream an output.`;
    return [{ code: 'JoinedCompressed', message, key: first.key }];
  }
}
