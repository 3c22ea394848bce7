import { hasCode } from '../errors.ts';
import { type Settings, recordedSettings } from '../settings.ts';
import { type Location, formatLocation } from './location.ts';
import {
  type CommittedOutput,
  MANIFEST_NAME,
  MANIFEST_VERSION,
  type Manifest,
  type Rollup,
  formatManifest,
} from './manifest.ts';
import { type Skipped, indexOf } from './plan.ts';
import type { SourcesIndex } from './sources-index.ts';
import type { Store } from './store.ts';

export interface CommitInput {
  store: Store;
  source: Location;
  destination: Location;
  settings: Settings;
  generation: number;
  skipped: Skipped;
  /** Every output of the commit: those that stay and those that are new. */
  outputs: CommittedOutput[];
  /** Every source of it. */
  index: SourcesIndex;
  /** What the plan was made from: what must still be committed. */
  previous: Rollup | undefined;
  now: Date;
}

export type CommitOutcome =
  | { status: 'committed'; manifest: Manifest }
  /** Somebody else committed first. `sourcesKey`: the index that this run wrote in vain. */
  | { status: 'lost'; sourcesKey: string };

/**
 * Writes `_sources`, then the manifest, on the condition that the manifest is still the one that the plan was made
 * from. S3 decides between two runs; nothing else does.
 */
export async function commit(input: CommitInput): Promise<CommitOutcome> {
  const { store, destination, previous } = input;
  const { bucket, prefix } = destination;
  const index = await input.index.end();
  const sourcesKey = prefix + index.name;
  const manifest = manifestOf(input, sourcesKey);
  const body = formatManifest(manifest);

  await store.put({ bucket, key: sourcesKey }, index.body, 'application/gzip');
  try {
    const condition = previous === undefined ? 'absent' : { etag: previous.etag };
    await store.put({ bucket, key: prefix + MANIFEST_NAME }, body, 'application/json', condition);
    return { status: 'committed', manifest };
  } catch (error) {
    if (!hasCode(error, 'PreconditionFailed', 'Conflict')) throw error;
    // The first answer to a repeated request may have been lost: then the manifest that stands is ours.
    const standing = await store.getIfPresent({ bucket, key: prefix + MANIFEST_NAME });
    if (standing?.body.equals(body) === true) return { status: 'committed', manifest };
    return { status: 'lost', sourcesKey };
  }
}

function manifestOf(input: CommitInput, sourcesKey: string): Manifest {
  const { source, destination, settings, generation, skipped, index, now } = input;
  const outputs = input.outputs.toSorted((a, b) => indexOf(a.key) - indexOf(b.key));
  return {
    version: MANIFEST_VERSION,
    generation,
    source: formatLocation(source),
    destination: formatLocation(destination),
    createdAt: now.toISOString(),
    settings: recordedSettings(settings),
    totals: {
      objects: index.count,
      bytes: index.bytes,
      outputs: outputs.length,
      outputBytes: outputs.reduce((sum, { size }) => sum + size, 0),
      skipped,
    },
    outputs,
    sources: { key: sourcesKey, count: index.count },
  };
}
