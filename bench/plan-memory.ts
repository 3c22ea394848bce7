import { parseLocation, planToFile } from '../lambda/rollup/index.ts';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from '../lambda/s3/connection.ts';
import { DEFAULT_SETTINGS } from '../lambda/settings/settings.ts';
import { startSandbox } from '../sandbox/sandbox.ts';
import { commandLineFlags } from './process/node-flags.ts';

/** Measures the plan step with very many objects: `node bench/plan-memory.ts 1000000`. The store is another process. */
const [count = '1000000', endpoint] = process.argv.slice(2);

if (endpoint === undefined) {
  const sandbox = await startSandbox({ buckets: ['logs'] });
  for (let i = 0; i < Number(count); i++) {
    const name = (Math.imul(i + 1, 2_654_435_761) >>> 0).toString(16).padStart(8, '0');
    sandbox.put('logs', `raw/checkout/20261121/08/${name}-${i}.log`, 'x'.repeat(1 + (i % 50)));
  }
  const child = fork(import.meta.filename, [count, sandbox.endpoint], {
    execArgv: commandLineFlags(),
  });
  await once(child, 'exit');
  await sandbox.close();
} else {
  process.env['AWS_ACCESS_KEY_ID'] ??= 'bench';
  process.env['AWS_SECRET_ACCESS_KEY'] ??= 'bench';
  const settings = { ...DEFAULT_SETTINGS, targetSize: 750_000 };
  const connection = connect({ settings, endpointUrl: endpoint, region: 'us-east-1' });
  const began = performance.now();
  const plan = await planToFile(
    {
      source: parseLocation('s3://logs/raw/checkout/20261121/08/'),
      destination: parseLocation('s3://logs/aggregated/'),
    },
    {
      store: connection.store,
      settings,
      now: () => new Date(),
      report: () => undefined,
      signal: new AbortController().signal,
    },
  );
  connection.close();
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  console.log({
    status: plan.status,
    totals: plan.status === 'planned' ? plan.totals : undefined,
    seconds: (performance.now() - began) / 1000,
    cpuSeconds: (userCPUTime + systemCPUTime) / 1e6,
    maxRssMiB: maxRSS / 1024,
  });
}
