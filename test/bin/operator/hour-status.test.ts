import { expect, it } from 'vitest';
import { readHourStatus } from '../../../bin/operator/hour-status.ts';
import { type Hour, parseHour } from '../../../lambda/rollup/index.ts';
import { DESTINATION, SOURCE, openTestBucket } from '../../support/test-bucket.ts';

it('an hour of nothing but hidden objects is empty, and they are neither missing nor late', async () => {
  await using bucket = await openTestBucket();
  const hour: Hour = parseHour('2026-11-21T08');
  const status = () =>
    readHourStatus(bucket.connection, hour, { source: SOURCE, destination: DESTINATION }, new Date());
  bucket.put('_temporary/0/a.log', 'text\n');
  expect(await status()).toMatchObject({ state: 'empty', objects: 0 });
  bucket.put('a.log', 'text\n');
  expect(await status()).toMatchObject({ state: 'missing', objects: 1 });
  await bucket.roll();
  bucket.put('.a.log.crc', 'text\n');
  expect(await status()).toMatchObject({ state: 'rolled-up', late: 0, rolledUp: 1 });
});
