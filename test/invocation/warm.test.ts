import { expect, it } from 'vitest';
import { MiB } from '../../lambda/size.ts';
import { type Usage, startLambda } from './support/lambda-process.ts';
import { TEMPLATE, environmentOf, hourText, openBucket, putHour, rolledUp } from './support/raw-logs.ts';

const INVOCATIONS = 120;
const WARM = 40;

it('120 warm invocations leave descriptors and memory where they were', async () => {
  const sandbox = await openBucket();
  await using lambda = await startLambda({ env: environmentOf(sandbox) });
  const usage: Usage[] = [];
  const statuses: unknown[] = [];
  for (let i = 0; i < INVOCATIONS; i++) {
    const hour = Math.floor(i / 20);
    putHour(sandbox, hour, { objects: 4, bytes: 128 * 1024 });
    // Every fourth fails: errors leave nothing behind either.
    const event =
      i % 4 === 3 ? { source: TEMPLATE } : { source: TEMPLATE, hour: hourText(hour), repack: true };
    const { result, failure } = await lambda.invoke(event);
    statuses.push((result as { status?: string } | undefined)?.status ?? failure?.errorType);
    // Garbage is collected for it, without which memory grows for long after the first runs.
    if (i % 4 === 3) usage.push(await lambda.usage());
  }
  await sandbox.close();
  expect(statuses.filter((status) => status === 'committed')).toHaveLength(90);
  expect(statuses.filter((status) => status === 'InvalidRequest')).toHaveLength(30);
  expect(rolledUp(sandbox, 5)).toHaveLength(4 * 128 * 1024);

  const [warm, last] = [usage[WARM / 4 - 1], usage.at(-1)];
  expect(last?.descriptors).toBeLessThanOrEqual((warm?.descriptors ?? 0) + 2);
  // 60 runs of half a MiB: a buffer that each of them left behind would come to 30 MiB.
  expect(last?.rssBytes).toBeLessThanOrEqual((warm?.rssBytes ?? 0) + 16 * MiB);
});
