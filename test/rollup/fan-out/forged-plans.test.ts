import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { encodingOf } from '../../../lambda/rollup/model/encoding.ts';
import { commitPlan } from '../../../lambda/rollup/fan-out/commit-step.ts';
import {
  type PinnedPlan,
  type PlanHeader,
  type PlanLine,
  formatHeader,
  formatLine,
  parseHeader,
  parseLine,
  planFiles,
} from '../../../lambda/rollup/fan-out/plan-file.ts';
import { type WrittenPlan, planToFile } from '../../../lambda/rollup/fan-out/plan-step.ts';
import { writeItems } from '../../../lambda/rollup/fan-out/write-step.ts';
import { parseLocation } from '../../../lambda/rollup/model/location.ts';
import { type PlannedOutput } from '../../../lambda/rollup/model/output.ts';
import { shapeOutput } from '../../../lambda/rollup/plan/pack.ts';
import { run } from '../../../lambda/run.ts';
import {
  BUCKET,
  DESTINATION,
  RAW,
  SOURCE,
  type TestBucket,
  failureOf,
  openTestBucket,
} from '../../support/test-bucket.ts';

const REQUEST = { source: SOURCE, destination: DESTINATION };
/** The prefixes of another stream, which has other writers. */
const OTHER = {
  source: parseLocation(`s3://${BUCKET}/raw/other/20261121/08/`),
  destination: parseLocation(`s3://${BUCKET}/aggregated/other/20261121/08/`),
};
const STAYS = gzipSync('stays\n');
const OTHERS_MANIFEST = `${OTHER.destination.prefix}_manifest.json`;

function contextOf({ connection: { store }, settings }: TestBucket) {
  return {
    ...{ store, settings },
    now: () => new Date(),
    report: () => undefined,
    hasTime: () => true,
    signal: new AbortController().signal,
  };
}

/**
 * Commits two streams, and plans the first once more: one of its outputs is to be rebuilt, of which a source has left raw,
 * and another stays. Returns that plan.
 */
async function attacked(bucket: TestBucket): Promise<WrittenPlan> {
  bucket.sandbox.put(BUCKET, `${OTHER.source.prefix}a.log`, 'others\n');
  await run(OTHER, bucket.connection, { settings: bucket.settings, now: () => new Date() });
  for (const name of ['a.log', 'b.log', 'c.log']) bucket.put(name, `${name}\n`);
  bucket.put('stays.json.gz', STAYS);
  await bucket.roll();
  bucket.remove('a.log');
  bucket.put('b.log', 'changed\n');
  bucket.put('d.log', 'late\n');
  const plan = await planToFile(REQUEST, contextOf(bucket));
  if (plan.status !== 'planned') throw new Error(`It was ${plan.status}.`);
  return plan;
}

interface Forgery {
  header: PlanHeader;
  lines: PlanLine[];
}

function read(bucket: TestBucket, { at }: PinnedPlan): Forgery {
  const files = planFiles(at);
  const [header, lines] = [files.header, files.lines].map(
    ({ key }) => bucket.sandbox.get(BUCKET, key) ?? Buffer.alloc(0),
  ) as [Buffer, Buffer];
  return {
    header: parseHeader(header, at),
    lines: lines
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => parseLine(Buffer.from(line), at)),
  };
}

const etagOf = (bucket: TestBucket, key: string): string => bucket.sandbox.head(BUCKET, key)?.etag ?? '';

/** Writes a plan in the place of another; its files agree with each other. */
function write(bucket: TestBucket, { at }: PinnedPlan, { header, lines }: Forgery): PinnedPlan {
  const files = planFiles(at);
  const body = Buffer.concat(lines.map(formatLine));
  bucket.sandbox.put(BUCKET, files.lines.key, body);
  const pinned = { ...header, lines: { etag: etagOf(bucket, files.lines.key), size: body.length } };
  bucket.sandbox.put(BUCKET, files.header.key, formatHeader(pinned));
  return { at, etag: etagOf(bucket, files.header.key) };
}

function itemsOf(bucket: TestBucket, { at }: PinnedPlan) {
  const body = bucket.sandbox.get(BUCKET, planFiles(at).lines.key)?.toString() ?? '';
  let offset = 0;
  return body.split(/(?<=\n)/).map((line) => {
    const length = Buffer.byteLength(line);
    return { offset: (offset += length) - length, length };
  });
}

/** The output with the key that this program gives to one of these sources. */
function named(bucket: TestBucket, { header }: Forgery, output: PlannedOutput): PlannedOutput {
  const { newline } = bucket.settings;
  const naming = {
    ...header,
    basis: header.previous ?? '',
    newline,
    encoding: encodingOf(bucket.settings),
    headerLines: bucket.settings.headerLines,
  };
  const packed = { ...output, asIs: 'assemble' as const, folder: '' };
  const shape = shapeOutput({ ...naming, destination: DESTINATION }, packed);
  return { ...shape, expectedSize: shape.size };
}

type Piece = PlannedOutput['pieces'][number];
const first = ({ lines: [line] }: Forgery): PlanLine => line as PlanLine;
const rename = (forgery: Forgery, key: string) => (first(forgery).output.key = key);
const reshape = (forgery: Forgery, change: Partial<PlannedOutput>) =>
  Object.assign(first(forgery).output, change);
/** Changes the sources of the output, and gives it the key that belongs to them. */
function repack(bucket: TestBucket, forgery: Forgery, change: (pieces: Piece[]) => Piece[]) {
  const line = first(forgery);
  line.output = named(bucket, forgery, { ...line.output, pieces: change(line.output.pieces) });
  const { pieces, size } = line.output;
  return (forgery.header.totals = { outputs: 1, objects: pieces.length, bytes: size });
}
/** Changes the place from which the source that has left raw is read. */
function redirect(forgery: Forgery, change: Partial<NonNullable<Piece['from']>>) {
  const moved = first(forgery).output.pieces.find(({ from }) => from !== undefined);
  if (moved?.from === undefined) throw new Error('Every source is in raw.');
  return (moved.from = { ...moved.from, ...change });
}
const withoutFrom = (bucket: TestBucket, forgery: Forgery) =>
  repack(bucket, forgery, (pieces) => pieces.filter(({ from }) => from === undefined));

/** Every stored object, with its bytes and its ETag. */
function everything(bucket: TestBucket): [string, string | undefined, string | undefined][] {
  return bucket.sandbox
    .keys(BUCKET, '')
    .map((key) => [
      key,
      bucket.sandbox.head(BUCKET, key)?.etag,
      bucket.sandbox.get(BUCKET, key)?.toString('base64'),
    ]);
}

type Steps = Record<'write' | 'commit', () => Promise<unknown>>;

function stepsOf(bucket: TestBucket, plan: PinnedPlan): Steps {
  const context = contextOf(bucket);
  return {
    write: () => writeItems(plan, itemsOf(bucket, plan), REQUEST, context),
    commit: () =>
      commitPlan(plan, REQUEST, { ...context, settings: { ...context.settings, deleteSource: true } }),
  };
}

const others = (bucket: TestBucket) => {
  const [output] = bucket.sandbox
    .keys(BUCKET, `${OTHER.destination.prefix}part-`)
    .map((key) => ({ key, etag: etagOf(bucket, key) }));
  if (output === undefined) throw new Error('The other stream has no output.');
  return output;
};

type Case = [what: string, forge: (bucket: TestBucket, forgery: Forgery) => unknown, named: string];

/** Forgeries that the write step and the commit step refuse, and a part of the reason that they give. */
const FORGED: Case[] = [
  ['the key of a manifest of another stream', (_, plan) => rename(plan, OTHERS_MANIFEST), OTHERS_MANIFEST],
  ['the key of an output of another stream', (bucket, plan) => rename(plan, others(bucket).key), '/other/'],
  [
    'the key of the manifest that stands',
    (_, plan) => rename(plan, `${DESTINATION.prefix}_manifest.json`),
    '_manifest.json has as its key',
  ],
  [
    'the key of a committed output',
    (bucket, plan) => rename(plan, bucket.manifest.outputs[0]?.key ?? ''),
    'has as its key',
  ],
  ['an index that is taken', (_, plan) => reshape(plan, { index: 0 }), 'has the index 0'],
  ['a size that its sources do not have', (_, plan) => reshape(plan, { size: 1 }), 'has as its size 1'],
  ['more bytes to expect', (_, plan) => reshape(plan, { expectedSize: 2 ** 40 }), 'has as its expectedSize'],
  ['a mode of its own', (_, plan) => reshape(plan, { mode: 'copy' }), 'has as its mode "copy"'],
  ['a kind of its own', (_, plan) => reshape(plan, { kind: 'gzip' }), 'has as its key'],
  ['other newlines', (_, plan) => reshape(plan, { ensureNewline: false }), 'has as its ensureNewline false'],
  [
    'a codec of its own',
    (_, plan) => reshape(plan, { encoding: { codec: 'gzip', level: 1 } }),
    'has as its encoding',
  ],
  ['header lines of its own', (_, plan) => reshape(plan, { headerLines: 2 }), 'has as its headerLines 2'],
  ['an origin with a header that is not there', (_, plan) => redirect(plan, { header: 3 }), '"header":3'],
  [
    'an origin in another stream',
    (bucket, plan) => redirect(plan, { ...others(bucket), whole: true }),
    '/other/20261121/08/part-00000',
  ],
  ['an origin in raw', (_, plan) => redirect(plan, { key: `${RAW}c.log` }), `from ${RAW}c.log`],
  [
    'an origin that stays as it is',
    (bucket, plan) =>
      redirect(plan, { key: bucket.manifest.outputs.find(({ key }) => /gz$/.test(key))?.key ?? '' }),
    'no output that the manifest names to be rebuilt',
  ],
  ['an origin of another ETag', (_, plan) => redirect(plan, { etag: 'another' }), '"etag":"another"'],
  ['an origin past the end of its output', (_, plan) => redirect(plan, { offset: 99 }), '"offset":99'],
  [
    'a source of another stream',
    (bucket, plan) =>
      repack(bucket, plan, (pieces) => {
        const key = `${OTHER.source.prefix}a.log`;
        const source = { key, size: 7, etag: etagOf(bucket, key), lastModified: '2026-11-21T08:00:00.000Z' };
        return [...pieces, { source, from: undefined }];
      }),
    `${OTHER.source.prefix}a.log, which is not under`,
  ],
  [
    'sources out of order',
    (bucket, plan) => repack(bucket, plan, (pieces) => pieces.toReversed()),
    'the order of keys',
  ],
  [
    'a source twice',
    (bucket, plan) => repack(bucket, plan, (pieces) => pieces.flatMap((piece) => [piece, piece])),
    'the order of keys',
  ],
  [
    'another source in its header',
    (_, { header }) => (header.source = `s3://${BUCKET}/${OTHER.source.prefix}`),
    'its source is s3://logs/raw/other/',
  ],
  [
    'another destination in its header',
    (_, { header }) => (header.destination = `s3://${BUCKET}/${OTHER.destination.prefix}`),
    'its destination is s3://logs/aggregated/other/',
  ],
  ['a repack that was not asked for', (_, { header }) => (header.repack = true), 'its repack is true'],
  ['a generation that is not the next', (_, { header }) => (header.generation = 7), 'its generation is 7'],
  ['settings that are none', (_, { header }) => (header.settings = { targetSize: 'lots' }), 'targetSize'],
  [
    'other settings',
    (_, { header }) => Object.assign(header.settings, { newline: 'none' }),
    'has as its key',
  ],
  ['outputs that stay and are not there', (_, { header }) => header.sealed.push([50, 60]), 'it keeps'],
  ['outputs that stay in no order', (_, { header }) => header.sealed.push([1, 0]), '"sealed" is in no order'],
  [
    'a previous manifest that is the standing one, and was not when it was planned',
    (bucket, { header }) => {
      // As if another run had committed meanwhile.
      const key = `${DESTINATION.prefix}_manifest.json`;
      bucket.sandbox.put(BUCKET, key, `${bucket.sandbox.get(BUCKET, key)?.toString() ?? ''}\n`);
      header.previous = etagOf(bucket, key);
    },
    'has as its key',
  ],
];

/** Forgeries that only the commit step can see, by the index of sources; the write step writes the same as for a sound plan. */
const FORGED_FOR_COMMIT: Case[] = [
  ['a previous manifest that never was', (_, { header }) => (header.previous = 'never'), 'has as its key'],
  ['no place for a source that left raw', withoutFrom, `1 sources that are committed, ${RAW}a.log`],
  ['no place for what stays', (_, { header }) => (header.sealed = []), `${RAW}stays.json.gz among them`],
  ['an origin at another source', (_, plan) => redirect(plan, { offset: 6 }), '"offset":6'],
  [
    'a source once more that stays',
    (bucket, plan) => {
      const key = `${RAW}stays.json.gz`;
      const source = {
        key,
        size: STAYS.length,
        etag: etagOf(bucket, key),
        lastModified: '2026-11-21T08:00:00.000Z',
      };
      const given = { ...first(plan).output, index: first(plan).output.index + 1, kind: 'gzip' as const };
      const output = named(bucket, plan, { ...given, pieces: [{ source, from: undefined }] });
      plan.lines.push({ output, stood: false });
      const { outputs, objects, bytes } = plan.header.totals;
      plan.header.totals = { outputs: outputs + 1, objects: objects + 1, bytes: bytes + STAYS.length };
      bucket.sandbox.put(BUCKET, output.key, STAYS);
    },
    'stays.json.gz once more',
  ],
  ['fewer outputs than it says', (_, { header }) => (header.totals.objects = 9), '"objects":9'],
];

/** Checks that nothing was written or deleted, and nothing of the other stream was read. */
async function expectRefused(bucket: TestBucket, step: () => Promise<unknown>, why: string): Promise<void> {
  const before = everything(bucket);
  bucket.sandbox.clearRequests();
  expect(await failureOf(step())).toMatchObject({
    code: 'BadPlan',
    message: expect.stringContaining(why) as string,
    key: expect.stringContaining('_plan/') as string,
  });
  expect(bucket.writes()).toEqual([]);
  expect(bucket.sandbox.requests.filter(({ key = '' }) => key.includes('/other/'))).toEqual([]);
  expect(everything(bucket)).toEqual(before);
}

describe('a forged plan', () => {
  it.each(FORGED)('with %s is refused by write and commit, and nothing is touched', async (_, forge, why) => {
    await using bucket = await openTestBucket();
    const plan = await attacked(bucket);
    const forgery = read(bucket, plan);
    forge(bucket, forgery);
    const steps = stepsOf(bucket, write(bucket, plan, forgery));
    await expectRefused(bucket, steps.write, why);
    await expectRefused(bucket, steps.commit, why);
  });

  it.each(FORGED_FOR_COMMIT)(
    'with %s is refused by commit, and nothing is touched',
    async (_, forge, why) => {
      await using bucket = await openTestBucket();
      const plan = await attacked(bucket);
      // The outputs that it plans exist: only the check can refuse it.
      await stepsOf(bucket, plan).write();
      const forgery = read(bucket, plan);
      forge(bucket, forgery);
      const { commit, write: again } = stepsOf(bucket, write(bucket, plan, forgery));
      if (forgery.header.previous === 'never') expect(await again()).toEqual({ status: 'lost' });
      else if (forgery.lines.length === 1) expect(await again()).toMatchObject({ status: 'written' });
      await expectRefused(bucket, commit, why);
    },
  );

  it.each<[what: string, from: Partial<NonNullable<Piece['from']>>, isWritten: boolean, why: string]>([
    ['that is behind it', { offset: 2 }, false, '"offset":2'],
    ['of another length than its own', { header: 2 }, true, 'not what _sources says of it'],
    ['that is longer than any may be', { header: 70_000 }, false, 'header'],
  ])('with a header %s is refused, and nothing is committed', async (_, from, isWritten, why) => {
    await using bucket = await openTestBucket({ codec: 'none', headerLines: 1 });
    for (const name of ['a.log.gz', 'b.log.gz']) bucket.put(name, gzipSync(`#h\n${name.slice(0, 5)}\n`));
    await bucket.roll();
    expect((await bucket.sources())[1]).toMatchObject({ offset: 9, length: 6, header: 3 });
    bucket.remove('b.log.gz');
    bucket.put('a.log.gz', gzipSync('#h\nchanged\n'));
    const plan = (await planToFile(REQUEST, contextOf(bucket))) as WrittenPlan;
    await stepsOf(bucket, plan).write();
    const forgery = read(bucket, plan);
    redirect(forgery, from);
    const steps = stepsOf(bucket, write(bucket, plan, forgery));
    if (isWritten) expect(await steps.write()).toMatchObject({ status: 'written' });
    else await expectRefused(bucket, steps.write, why);
    await expectRefused(bucket, steps.commit, why);
  });

  it.each(['header', 'lines'] as const)(
    'is not read where its %s was swapped between the steps, though what is there now is a plan',
    async (file) => {
      await using bucket = await openTestBucket();
      const plan = await attacked(bucket);
      const another = (await planToFile(REQUEST, contextOf(bucket))) as WrittenPlan;
      const { key } = planFiles(plan.at)[file];
      bucket.sandbox.put(BUCKET, key, bucket.sandbox.get(BUCKET, planFiles(another.at)[file].key) ?? '');
      // Two plans of one listing have the same lines.
      if (file === 'lines')
        bucket.sandbox.put(BUCKET, key, `${bucket.sandbox.get(BUCKET, key)?.toString() ?? ''}\n`);
      const steps = stepsOf(bucket, plan);
      await expectRefused(
        bucket,
        steps.write,
        `${key} is not a plan of this program, or was damaged: it was replaced`,
      );
      await expectRefused(bucket, steps.commit, 'it was replaced after it was planned');
    },
  );

  it('is not read by the plan step, which writes a plan of its own', async () => {
    await using bucket = await openTestBucket();
    const plan = await attacked(bucket);
    const forgery = read(bucket, plan);
    rename(forgery, OTHERS_MANIFEST);
    write(bucket, plan, forgery);
    const forged = Object.values(planFiles(plan.at)).map(({ key }) => key);
    const before = everything(bucket);
    bucket.sandbox.clearRequests();
    const own = await planToFile(REQUEST, contextOf(bucket));
    if (own.status !== 'planned') throw new Error(`It was ${own.status}.`);
    expect(bucket.sandbox.requests.filter(({ key = '' }) => forged.includes(key))).toEqual([]);
    expect(everything(bucket).filter(([key]) => !key.includes(own.at.id))).toEqual(before);
    await stepsOf(bucket, own).write();
    expect(await stepsOf(bucket, own).commit()).toMatchObject({ status: 'committed' });
    expect(own.etag).not.toBe(plan.etag);
  });

  it('cannot have an item past its lines', async () => {
    await using bucket = await openTestBucket();
    const plan = await attacked(bucket);
    const { size } = read(bucket, plan).header.lines;
    for (const [offset, length] of [
      [0, size + 1],
      [size, 1],
      [1, size - 1],
    ] as const)
      await expectRefused(
        bucket,
        () => writeItems(plan, [{ offset, length }], REQUEST, contextOf(bucket)),
        '_plan/',
      );
  });

  it('whose manifest was replaced is given up, and deletes no object that it could not have written', async () => {
    await using bucket = await openTestBucket();
    const plan = await attacked(bucket);
    const forgery = read(bucket, plan);
    const sound = structuredClone(forgery);
    await bucket.roll();
    rename(forgery, others(bucket).key);
    const forged = write(bucket, plan, forgery);
    expect(await stepsOf(bucket, forged).write()).toEqual({ status: 'lost' });
    await expectRefused(bucket, stepsOf(bucket, forged).commit, '/other/');
    expect(await stepsOf(bucket, write(bucket, plan, sound)).commit()).toBe('lost');
    await bucket.expectSound();
  });

  it('that is sound in all of this is carried out', async () => {
    await using bucket = await openTestBucket();
    const plan = await attacked(bucket);
    const steps = stepsOf(bucket, write(bucket, plan, read(bucket, plan)));
    expect(await steps.write()).toMatchObject({ status: 'written', counts: { written: 1 } });
    expect(await steps.commit()).toMatchObject({ status: 'committed' });
    expect((await bucket.sources()).map(({ key }) => key.slice(RAW.length)).sort()).toEqual([
      'a.log',
      'b.log',
      'c.log',
      'd.log',
      'stays.json.gz',
    ]);
  });
});

describe('a forged plan that is said to be mistaken, beside one that is committed', () => {
  /** Forgeries of outputs that this rollup may have written for that manifest: they are deleted unless the manifest names them. */
  const IS_DELETABLE =
    /^(an origin (?!with a header)|outputs that stay|a repack|no place|a source once more|fewer|nothing)/;
  const cases: Case[] = [...FORGED, ...FORGED_FOR_COMMIT, ['nothing wrong', () => undefined, '']];

  it.each(cases)(
    'with %s leads to no delete of what is committed, or of another rollup',
    async (what, forge) => {
      await using bucket = await openTestBucket();
      const plan = await attacked(bucket);
      const forgery = read(bucket, plan);
      forge(bucket, forgery);
      const forged = write(bucket, plan, forgery);
      bucket.sandbox.put(
        BUCKET,
        planFiles(forged.at).mistaken.key,
        '{"key":"k","found":"gzip","planned":"text"}',
      );
      const own = (await planToFile(REQUEST, contextOf(bucket))) as WrittenPlan;
      await stepsOf(bucket, own).write();
      const before = everything(bucket);
      const outcome = await commitPlan(own, REQUEST, contextOf(bucket));
      const elsewhere = (all: typeof before) => all.filter(([key]) => !key.startsWith(DESTINATION.prefix));
      expect(elsewhere(everything(bucket))).toEqual(elsewhere(before));
      const files = bucket.leftovers();
      const isRefused = !IS_DELETABLE.test(what) && forgery.header.previous !== 'never';
      expect(outcome).toMatchObject({
        status: 'committed',
        problems: isRefused ? [{ code: 'BadPlan', key: expect.stringContaining('_plan/') as string }] : [],
      });
      expect(files.filter((key) => !key.includes(`_plan/${forged.at.id}`))).toEqual([]);
      expect(files.length > 0).toBe(isRefused || forgery.header.previous === 'never');
      await bucket.expectSound({ leftovers: files });
    },
  );

  it.each(['swapped', 'gone'] as const)('is left where its header is %s after the listing', async (how) => {
    await using bucket = await openTestBucket();
    const plan = await attacked(bucket);
    bucket.sandbox.put(BUCKET, planFiles(plan.at).mistaken.key, '{}');
    const own = (await planToFile(REQUEST, contextOf(bucket))) as WrittenPlan;
    await stepsOf(bucket, own).write();
    const { header } = planFiles(plan.at);
    bucket.sandbox.hook = ({ operation, key }) => {
      if (operation !== 'PutObject' || key !== `${DESTINATION.prefix}_manifest.json`) return undefined;
      if (how === 'gone') bucket.sandbox.delete(BUCKET, header.key);
      else bucket.sandbox.put(BUCKET, header.key, '{}');
      return undefined;
    };
    expect(await commitPlan(own, REQUEST, contextOf(bucket))).toMatchObject({
      status: 'committed',
      problems: how === 'gone' ? [] : [{ code: 'BadPlan', key: header.key }],
    });
    await bucket.expectSound({ leftovers: bucket.leftovers().filter((key) => key.includes(plan.at.id)) });
  });
});
