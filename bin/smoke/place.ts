import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import {
  type Endpoints,
  type Hour,
  type ListedObject,
  type Location,
  MANIFEST_NAME,
  type Manifest,
  formatLocation,
  sourceStore,
  withCommitted,
} from '../../lambda/rollup/index.ts';
import { RollupError } from '../../lambda/errors.ts';
import { OperatorError } from '../operator/operator-error.ts';

/** The first line of every object of a smoke test begins with this. */
const MARK = 's3-rollup smoke ';
const OBJECTS = 3;
const LINES = 100;
/** Listings of the place after deletes: whatever is still at work may write meanwhile. */
const REMOVALS = 3;

/** An hour that the schedule of a stream never comes to, and what is written there. */
export interface Place {
  hour: Hour;
  source: Location;
  destination: Location;
  /** In key order. */
  objects: SmokeObject[];
}

export interface SmokeObject {
  key: string;
  text: Buffer;
  /** What is stored: the text, or the text compressed. */
  body: Buffer;
}

/** The objects of one smoke test. `name` has `{n}` in it, which their numbers fill. */
export function smokeObjects({ prefix }: Location, name: string, isGzip: boolean): SmokeObject[] {
  const id = randomBytes(6).toString('hex');
  return Array.from({ length: OBJECTS }, (_, i) => {
    const number = String(i + 1);
    const lines = Array.from({ length: LINES }, (_, line) => `object ${number} line ${line} of ${id}`);
    // The second lacks its last newline. All begin with one line, which a deployment may take for a header.
    const text = Buffer.from([MARK + id, ...lines].join('\n') + (i === 1 ? '' : '\n'));
    return { key: prefix + name.replaceAll('{n}', number), text, body: isGzip ? gzipSync(text) : text };
  });
}

/**
 * Removes what an earlier smoke test left in the place. Throws `HourInUse` for anything else there, and removes nothing then.
 */
export async function clearPlace(endpoints: Endpoints, place: Place, signal: AbortSignal): Promise<number> {
  const raw = await listAll(sourceStore(endpoints), place.source, signal);
  for (const object of raw) await requireOurs(endpoints, place, object);
  const rolledUp = await listAll(endpoints.store, place.destination, signal);
  if (rolledUp.length > 0) await requireOursRolledUp(endpoints, place, raw.length > 0);
  if (raw.length + rolledUp.length > 0) {
    const left = await removePlace(endpoints, place, signal);
    if (left.length > 0) throw new OperatorError('NotRemoved', left.join(' '));
  }
  return raw.length + rolledUp.length;
}

async function requireOurs(endpoints: Endpoints, place: Place, { key, size }: ListedObject): Promise<void> {
  const { source, objects } = place;
  const most = Math.max(...objects.map(({ text }) => text.length));
  if (objects.some((object) => object.key === key) && size <= most * 2) {
    const found = await sourceStore(endpoints).getIfPresent({ bucket: source.bucket, key });
    const [first, second] = found?.body ?? [];
    const isGzip = first === 0x1f && second === 0x8b;
    if (found === undefined || isGzip || found.body.toString('latin1').startsWith(MARK)) return;
  }
  throw inUse(`s3://${source.bucket}/${key} is there, and is not of a smoke test`);
}

async function requireOursRolledUp(endpoints: Endpoints, place: Place, hadOurs: boolean): Promise<void> {
  const { source, destination } = place;
  const ours = new Set(place.objects.map(({ key }) => key));
  const isOurs = await withCommitted(endpoints.store, destination, source, async (rollup) => {
    // A run that was killed before its commit.
    if (rollup === undefined) return hadOurs;
    for await (const sources of rollup.sources.stored())
      if (sources.some(({ key }) => !ours.has(key))) return false;
    return true;
  }).catch((error: unknown) => {
    if (!(error instanceof RollupError) || !/Manifest/.test(error.code)) throw error;
    return false;
  });
  if (!isOurs) throw inUse(`what is under ${formatLocation(destination)} is not of a smoke test`);
}

function inUse(why: string): OperatorError {
  return new OperatorError(
    'HourInUse',
    `The hour is in use: ${why}. Nothing was written. Give another --hour, one that no schedule comes to.`,
  );
}

/** Writes the objects of the place. */
export async function writeObjects(endpoints: Endpoints, { source, objects }: Place): Promise<void> {
  for (const { key, body } of objects)
    await sourceStore(endpoints).put({ bucket: source.bucket, key }, body, 'text/plain', 'absent');
}

/** The manifest of the place; undefined before the commit. */
export function readManifest(
  { store }: Endpoints,
  { source, destination }: Place,
): Promise<{ manifest: Manifest; etag: string } | undefined> {
  return withCommitted(store, destination, source, (rollup) =>
    Promise.resolve(rollup && { manifest: rollup.manifest, etag: rollup.etag }),
  );
}

/**
 * Deletes the smoke test's objects in raw and all that is in their destination, the manifest last: `clearPlace` has made sure
 * that there was nothing else. Each object only as it was listed.
 *
 * @returns a sentence for each thing that is left
 */
export async function removePlace(
  endpoints: Endpoints,
  { source, destination, objects }: Place,
  signal: AbortSignal,
): Promise<string[]> {
  const ours = new Set(objects.map(({ key }) => key));
  const raw = sourceStore(endpoints);
  let left: string[] = [];
  for (let i = 0; i < REMOVALS; i++) {
    const inRaw = (await listAll(raw, source, signal)).filter(({ key }) => ours.has(key));
    const rolledUp = await listAll(endpoints.store, destination, signal);
    if (inRaw.length + rolledUp.length === 0) return [];
    const isManifest = ({ key }: ListedObject): boolean => key === destination.prefix + MANIFEST_NAME;
    const kept = [
      ...(await raw.deleteUnchanged(source.bucket, inRaw, signal)),
      ...(await endpoints.store.deleteUnchanged(
        destination.bucket,
        rolledUp.filter((object) => !isManifest(object)),
        signal,
      )),
    ];
    if (kept.length === 0)
      kept.push(
        ...(await endpoints.store.deleteUnchanged(destination.bucket, rolledUp.filter(isManifest), signal)),
      );
    left = kept.map(({ key, error }) => `${key} is left: ${error.message}`);
  }
  if (left.length > 0) return left;
  const rest = [
    ...(await listAll(raw, source, signal)).filter(({ key }) => ours.has(key)),
    ...(await listAll(endpoints.store, destination, signal)),
  ];
  return rest.map(({ key }) => `${key} is left: it was written while others were deleted.`);
}

async function listAll(
  store: Endpoints['store'],
  at: Location,
  signal: AbortSignal,
): Promise<ListedObject[]> {
  const all: ListedObject[] = [];
  for await (const page of store.list(at, signal)) {
    all.push(...page);
    // No smoke test writes as much.
    if (all.length > 1_000) throw inUse(`more than 1,000 objects are under ${formatLocation(at)}`);
  }
  return all;
}
