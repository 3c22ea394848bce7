import { expect, it } from 'vitest';
import { startSandbox } from '../../sandbox/sandbox.ts';
import { ASSUMED, ROLE, startSts } from '../support/sts.ts';
import { startLambda } from './support/lambda-process.ts';
import {
  BUCKET,
  TEMPLATE,
  environmentOf,
  hourText,
  openBucket,
  putHour,
  rolledUp,
} from './support/raw-logs.ts';

it('the bundle assumes the role of an endpoint, and writes outputs with their attributes', async () => {
  await using sts = await startSts();
  const source = await startSandbox({ buckets: [BUCKET], credentials: ASSUMED });
  const destination = await openBucket();
  try {
    const joined = putHour(source, 8);
    const env = environmentOf(destination, {
      AWS_ENDPOINT_URL_STS: sts.endpoint,
      SOURCE_ENDPOINT_URL: source.endpoint,
      SOURCE_ROLE_ARN: ROLE,
      TAGS: '{"team":"logs"}',
      STORAGE_CLASS: 'GLACIER_IR',
    });
    await using lambda = await startLambda({ env });
    const { result, failure } = await lambda.invoke({ source: TEMPLATE, hour: hourText(8) });
    expect(failure).toBeUndefined();
    expect(result).toMatchObject({ status: 'committed', objects: 3 });
    expect(rolledUp(destination, 8)).toBe(joined);
    expect(sts.asked).toHaveLength(1);
    const [output = ''] = destination.keys(BUCKET).filter((key) => key.includes('/part-'));
    expect(destination.attributes(BUCKET, output)).toMatchObject({
      storageClass: 'GLACIER_IR',
      tags: { team: 'logs' },
    });
  } finally {
    await Promise.all([source.close(), destination.close()]);
  }
});
