import { startSandbox, type Sandbox } from '../../../sandbox/sandbox.ts';
import { ENV } from '../../../lambda/names.ts';

export const BUCKET = 'application-logs';
export const RAW_ROOT = `s3://${BUCKET}/raw/`;
export const AGGREGATED_ROOT = `s3://${BUCKET}/aggregated/`;
export const TEMPLATE = `${RAW_ROOT}checkout/{yyyy}{MM}{dd}/{HH}/`;

/** `8` -> `raw/checkout/20251121/08/`. */
export function rawPrefix(hour: number, root = 'raw'): string {
  return `${root}/checkout/20251121/${String(hour).padStart(2, '0')}/`;
}

/** `8` -> `2025-11-21T08`. */
export function hourText(hour: number): string {
  return `2025-11-21T${String(hour).padStart(2, '0')}`;
}

/** Requests that no deployment of the stream `checkout` may carry out, with the code of each. There are raw logs of another stream for them to touch. */
export function outsideRequests(): [string, Record<string, unknown>, string][] {
  const now = new Date().toISOString();
  const running = `${now.slice(0, 10).replaceAll('-', '')}/${now.slice(11, 13)}/`;
  return [
    [
      "another stream's logs into an hour",
      {
        source: `${RAW_ROOT}other/20251121/08/`,
        destination: `${AGGREGATED_ROOT}checkout/20251121/08/`,
        hour: hourText(8),
        stream: 'checkout',
      },
      'OutsideStream',
    ],
    ['an hour of no stream', { source: `${RAW_ROOT}other/20251121/08/` }, 'OutsideStream'],
    ['all of raw', { source: RAW_ROOT }, 'OutsideStream'],
    ['all of raw, by an hour', { source: RAW_ROOT, hour: hourText(8), force: true }, 'OutsideStream'],
    ['an hour that goes on, by its prefix', { source: `${RAW_ROOT}checkout/${running}` }, 'HourNotEnded'],
    ['an hour that goes on, by its name', { stream: 'checkout', hour: now.slice(0, 13) }, 'HourNotEnded'],
  ];
}

export function openBucket(): Promise<Sandbox> {
  return startSandbox({ buckets: [BUCKET] });
}

/** The environment of a function that works on the sandbox's bucket. */
export function environmentOf({ endpoint }: Sandbox, more: Record<string, string> = {}) {
  return {
    AWS_ENDPOINT_URL: endpoint,
    [ENV.rawRoot]: RAW_ROOT,
    [ENV.aggregatedRoot]: AGGREGATED_ROOT,
    [ENV.streams]: '["checkout"]',
    TARGET_SIZE: '5MiB',
    PART_SIZE: '5MiB',
    ...more,
  };
}

/** Writes raw logs of an hour, and returns them joined. */
export function putHour(
  sandbox: Sandbox,
  hour: number,
  { objects = 3, bytes = 100 }: { objects?: number; bytes?: number } = {},
): string {
  const bodies = Array.from({ length: objects }, (_, i) => `${hour}/${i} `.padEnd(bytes - 1, 'x') + '\n');
  for (const [i, body] of bodies.entries()) {
    sandbox.put(BUCKET, `${rawPrefix(hour)}${String(i).padStart(5, '0')}.log`, body);
  }
  return bodies.join('');
}

export function outputKeys(sandbox: Sandbox, hour: number): string[] {
  return sandbox.keys(BUCKET, `${rawPrefix(hour, 'aggregated')}part-`);
}

/** The committed outputs of an hour, joined; undefined where nothing is committed. */
export function rolledUp(sandbox: Sandbox, hour: number): string | undefined {
  if (sandbox.get(BUCKET, `${rawPrefix(hour, 'aggregated')}_manifest.json`) === undefined) return undefined;
  return outputKeys(sandbox, hour)
    .map((key) => sandbox.get(BUCKET, key)?.toString() ?? '')
    .join('');
}
