import { expect, it } from 'vitest';
import { run } from '../../../lambda/run.ts';
import { connect } from '../../../lambda/s3/connection.ts';
import { type Hook, startSandbox } from '../../../sandbox/sandbox.ts';
import { REFUSED } from '../../support/hooks.ts';
import {
  AGGREGATED,
  BUCKET,
  DESTINATION,
  RAW,
  SETTINGS,
  SOURCE,
  openTestBucket,
} from '../../support/test-bucket.ts';

/** PUTs of a trial of conditions: of its object, and on either condition. */
const TRIAL = 3;
/** The PutObjects that a store has to refuse for their checksums, a CRC-32 and a CRC-64/NVME. */
const CHECKSUM_TRIAL = 2;

/** The warnings of a first and of a second commit, the trial's PUTs, and what is left of them. */
async function commitTwice(hook: Hook) {
  await using sandbox = Object.assign(await startSandbox({ buckets: [BUCKET], hook }), {
    async [Symbol.asyncDispose]() {
      await sandbox.close();
    },
  });
  const connection = connect({ settings: SETTINGS, endpointUrl: sandbox.endpoint });
  const warnings: unknown[] = [];
  for (const name of ['a.log', 'b.log']) {
    sandbox.put(BUCKET, RAW + name, 'a line\n');
    const request = { source: SOURCE, destination: DESTINATION };
    const result = await run(request, connection, { settings: SETTINGS, now: () => new Date() });
    expect(result.status).toBe('committed');
    warnings.push(result.warnings);
  }
  connection.close();
  const isTrial = (key = ''): boolean => key.includes('_delete-proof-');
  const trials = sandbox.requests.filter(({ operation, key }) => operation === 'PutObject' && isTrial(key));
  return {
    warnings,
    trials: trials.length - CHECKSUM_TRIAL,
    left: sandbox.keys(BUCKET, AGGREGATED).filter(isTrial),
  };
}

it('a store that holds the conditions of writes is tried out once in a process', async () => {
  expect(await commitTwice(() => undefined)).toEqual({
    warnings: [undefined, undefined],
    trials: TRIAL,
    left: [],
  });
});

it.each<[string, 'if-match' | 'if-none-match' | undefined, number]>([
  ['If-None-Match, by which first commits are kept apart', 'if-none-match', 2],
  ['If-Match, by which later ones are', 'if-match', TRIAL],
  ['both', undefined, 2],
])(
  'a store that ignores %s is warned of with every commit, and nothing is left of the trial',
  async (_, only, trials) => {
    const warning = [expect.objectContaining({ code: 'UnsafeCommit' })];
    const ignoring: Hook = ({ operation }) =>
      operation === 'PutObject' ? { kind: 'ignore-conditions', ...(only && { only }) } : undefined;
    expect(await commitTwice(ignoring)).toEqual({ warnings: [warning, warning], trials, left: [] });
  },
);

it('a trial whose object cannot be deleted has shown what it was to show', async () => {
  const refusing: Hook = ({ operation }) =>
    operation === 'DeleteObjects' ? { kind: 'error', status: 403, code: 'AccessDenied' } : undefined;
  expect(await commitTwice(refusing)).toMatchObject({ warnings: [undefined, undefined], trials: TRIAL });
});

it('the object of a trial that may not be deleted is no problem of later runs', async () => {
  let clock = Date.now() - 3 * 3_600_000;
  await using bucket = await openTestBucket({}, { now: () => new Date(clock) });
  bucket.putHour(2);
  bucket.sandbox.hook = ({ operation }) => (operation === 'DeleteObjects' ? REFUSED : undefined);
  expect((await bucket.roll({ connection: bucket.connect() })).problems).toBeUndefined();
  clock += 2 * 3_600_000;
  const again = await bucket.roll({ connection: bucket.connect() });
  expect(again.status).toBe('unchanged');
  expect(again.problems).toBeUndefined();
});

it('a trial that the store does not come to is made again', async () => {
  let failures = 0;
  const failing: Hook = ({ operation, key = '', headers }) => {
    if (operation !== 'PutObject') return undefined;
    const isAsked = key.includes('_delete-proof-') && 'if-none-match' in headers;
    return isAsked && ++failures <= 5
      ? { kind: 'error', status: 500, code: 'InternalError' }
      : { kind: 'ignore-conditions' };
  };
  await expect(commitTwice(failing)).rejects.toMatchObject({ code: 'S3Error' });
  failures = 5;
  expect((await commitTwice(failing)).warnings).toEqual([
    [expect.objectContaining({ code: 'UnsafeCommit' })],
    [expect.objectContaining({ code: 'UnsafeCommit' })],
  ]);
});

it('a trial that is refused says nothing against the store', async () => {
  const refusing: Hook = ({ operation, key = '' }) =>
    operation === 'PutObject' && key.includes('_delete-proof-')
      ? { kind: 'error', status: 403, code: 'AccessDenied' }
      : undefined;
  expect(await commitTwice(refusing)).toMatchObject({ warnings: [undefined, undefined], trials: 1 });
});
