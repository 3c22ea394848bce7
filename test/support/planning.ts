import { SourcesIndex } from '../../lambda/rollup/commit/sources-index.ts';
import { readSources } from '../../lambda/rollup/committed/source-lines.ts';
import type { CommittedSource, Manifest, Rollup } from '../../lambda/rollup/model/manifest.ts';
import type { PlannedOutput } from '../../lambda/rollup/model/output.ts';
import type { ListedObject } from '../../lambda/rollup/model/store.ts';
import type { Plan } from '../../lambda/rollup/plan/planner.ts';
import { offsetsOf } from '../../lambda/rollup/write/source-offsets.ts';

export const PREFIX = 'aggregated/app/';
/** Where plans are made for. */
export const SIDES = {
  source: { bucket: 'b', prefix: 'raw/app/' },
  destination: { bucket: 'b', prefix: PREFIX },
};

/** Version `version` of an object: another version has another ETag. */
export function listed(key: string, size: number, version = 0, storageClass?: string): ListedObject {
  const etag = `${version}-${size}`;
  const lastModified = '2026-11-21T08:00:00.000Z';
  return { key, size, etag, lastModified, ...(storageClass === undefined ? {} : { storageClass }) };
}

/** S3's order, by its definition: the bytes of the keys' UTF-8. */
export function inKeyOrder(a: { key: string }, b: { key: string }): number {
  return Buffer.compare(Buffer.from(a.key), Buffer.from(b.key));
}

/** What is committed, with its sources in memory. */
export type CarriedOut = Omit<Rollup, 'sources'> & { sources: CommittedSource[] };

/** What is committed once a plan was carried out; every source had its last newline. */
export function carriedOut(plan: Plan, previous: CarriedOut | undefined): CarriedOut {
  const sealed = new Set(plan.sealed.map(({ key }) => key));
  const sources = [
    ...(previous?.sources ?? []).filter(({ output }) => sealed.has(output)),
    ...plan.planned.flatMap((output) =>
      offsetsOf(
        output,
        output.pieces.map(() => false),
      ),
    ),
  ];
  const outputs = [...plan.sealed, ...plan.planned.map(asCommitted)];
  const digest = Buffer.from(
    sources.map(({ key, etag, output }) => `${key}${etag}${output}`).join(),
  ).toString('hex');
  const sum = (sizes: { size: number }[]): number => sizes.reduce((total, { size }) => total + size, 0);
  return {
    etag: `manifest-of-${digest}`,
    sources,
    manifest: {
      version: 1,
      generation: plan.generation,
      source: 's3://b/raw/app/',
      destination: `s3://b/${PREFIX}`,
      createdAt: '2026-11-21T09:00:00.000Z',
      settings: { targetSize: 100, partSize: 100, newline: 'ensure' },
      totals: {
        objects: sources.length,
        bytes: sum(sources),
        outputs: outputs.length,
        outputBytes: sum(outputs),
        skipped: plan.skipped,
      },
      outputs,
      sources: { key: `${PREFIX}_sources-${digest}.jsonl.gz`, count: sources.length },
    },
  };
}

function asCommitted({ key, size, pieces }: PlannedOutput) {
  return { key, size, etag: `etag-of-${key}`, crc32: '00000000', sources: pieces.length };
}

/** The sources that a stored index tells of. */
export async function parseSources(
  body: Buffer,
  { sources }: Pick<Manifest, 'sources'>,
): Promise<CommittedSource[]> {
  const all: CommittedSource[] = [];
  for await (const some of readSources(once(body), sources))
    for (const { ordinal, ...source } of some) all[ordinal] = source;
  return all;
}

async function* once<T>(item: T): AsyncGenerator<T> {
  yield await Promise.resolve(item);
}

/** The index of a few sources as it is stored. */
export async function formatSources(sources: CommittedSource[]): Promise<{ name: string; body: Buffer }> {
  const index = new SourcesIndex();
  await index.add(sources);
  const { name, body = Buffer.alloc(0) } = await index.end();
  return { name, body };
}
