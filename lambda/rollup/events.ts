/** What a run tells of itself while it goes on. */
export type RollupEvent =
  | { type: 'listed'; objects: number; bytes: number }
  | { type: 'planned'; objects: number; bytes: number; outputs: number; sealed: number }
  /** Bytes of a source are where they belong: in a slab, in a copy, or in an output found finished. */
  | { type: 'landed'; objects: number; bytes: number }
  | { type: 'begun'; key: string; bytes: number }
  | { type: 'output'; key: string; how: OutputFate; bytes: number; sources: number }
  | { type: 'lost'; attempt: number }
  | { type: 'committed'; manifest: string }
  | { type: 'swept'; keys: string[] };

/** How an output came to be in the destination. */
export type OutputFate = 'written' | 'copied' | 'reused';

export type Report = (event: RollupEvent) => void;
