import { hasCode } from '../errors.ts';
import { type Settings } from '../settings.ts';
import type { Assembled } from './assemble.ts';
import { type Location, formatLocation } from './location.ts';
import {
  type CommittedSource,
  MANIFEST_NAME,
  MANIFEST_VERSION,
  type Manifest,
  type Rollup,
  formatManifest,
  formatSources,
} from './manifest.ts';
import { indexOf, type Plan } from './plan.ts';
import type { Store } from './store.ts';

export interface CommitInput {
  store: Store;
  source: Location;
  destination: Location;
  settings: Settings;
  plan: Plan;
  assembled: Assembled[];
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
  const sources = sourcesOf(input);
  const index = await formatSources(sources);
  const sourcesKey = prefix + index.name;
  const manifest = manifestOf(input, sources, sourcesKey);
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

function sourcesOf({ plan, assembled, previous }: CommitInput): CommittedSource[] {
  const sealed = new Set(plan.sealed.map(({ key }) => key));
  const kept = previous?.sources.filter(({ output }) => sealed.has(output)) ?? [];
  return [...kept, ...assembled.flatMap(({ sources }) => sources)];
}

function manifestOf(input: CommitInput, sources: CommittedSource[], sourcesKey: string): Manifest {
  const { source, destination, settings, plan, assembled, now } = input;
  const outputs = [...plan.sealed, ...assembled.map(({ output }) => output)];
  outputs.sort((a, b) => indexOf(a.key) - indexOf(b.key));
  return {
    version: MANIFEST_VERSION,
    generation: plan.generation,
    source: formatLocation(source),
    destination: formatLocation(destination),
    createdAt: now.toISOString(),
    settings: { targetSize: settings.targetSize, partSize: settings.partSize, newline: settings.newline },
    totals: {
      objects: sources.length,
      bytes: sources.reduce((sum, { size }) => sum + size, 0),
      outputs: outputs.length,
      outputBytes: outputs.reduce((sum, { size }) => sum + size, 0),
      skipped: plan.skipped,
    },
    outputs,
    sources: { key: sourcesKey, count: sources.length },
  };
}
