import { gunzipSync, gzipSync } from 'node:zlib';
import { formatHour } from '../../../lambda/rollup/index.ts';
import { STACK_OUTPUTS } from '../../../lambda/names.ts';
import { type Account, AGGREGATED, BUCKET, STACK, TEMPLATE } from '../operator/operator-line.ts';
import { cli } from '../command-line.ts';

/** Names of the streams; one of them tries to be markup. */
export const STREAMS = ['checkout', 'search', 'audit', `x"'</script><b>\u202e&`];
const FOLDERS = ['checkout', 'search', 'audit', `x'</script><b>`];

/** What is put into an hour: `foreign` has the manifest of another source, `damaged` one that is no JSON. */
export type Kind = 'rolled-up' | 'missing' | 'late' | 'empty' | 'foreign' | 'damaged' | 'without-figures';

/** The kind of an hour, so that each kind is there and most hours are rolled up. */
export function kindOf(stream: number, hour: number): Kind {
  const rare: Partial<Record<number, Kind>> = {
    7: 'missing',
    11: 'late',
    13: 'empty',
    17: 'foreign',
    19: 'damaged',
    23: 'without-figures',
  };
  return rare[(hour + stream * 5) % 61] ?? 'rolled-up';
}

export const FROM = '2025-11-01T00';

/** The hours of a number of days, from `FROM` on. */
export function hoursOf(days: number): string[] {
  const began = Date.parse(`${FROM}:00:00Z`);
  return Array.from({ length: days * 24 }, (_, i) => formatHour(new Date(began + i * 3_600_000)));
}

/**
 * Fills an account with a stack of four streams, whose hours are copies of one that is rolled up, with the keys changed.
 *
 * @returns the kinds, by `hour stream`
 */
export async function fillMonth(account: Account, days: number): Promise<Map<string, Kind>> {
  const { sandbox } = account;
  const names = STREAMS.map((name, i) => ({
    name,
    source: TEMPLATE.replace('checkout', FOLDERS[i] ?? ''),
    minute: 10,
  }));
  account.stub.stacks[STACK] = {
    ...account.stub.stacks[STACK],
    [STACK_OUTPUTS.streams]: JSON.stringify(names),
  };
  const prototype = '20250101/01';
  sandbox.put(BUCKET, `raw/checkout/${prototype}/a.log`, 'line\n');
  const made = await cli(sandbox, ['run', TEMPLATE, AGGREGATED, '--hour', '2025-01-01T01', '--no-progress']);
  if (made.code !== 0) throw new Error(made.stderr);
  const under = `aggregated/checkout/${prototype}/`;
  const read = (key: string): Buffer => sandbox.get(BUCKET, key) ?? Buffer.alloc(0);
  const manifest = read(`${under}_manifest.json`).toString();
  const index = (JSON.parse(manifest) as { sources: { key: string } }).sources.key;
  const lines = gunzipSync(read(index)).toString();
  const run = sandbox.attributes(BUCKET, `${under}_manifest.json`)?.headers['x-amz-meta-run'];
  const kinds = new Map<string, Kind>();
  for (const [h, hour] of hoursOf(days).entries()) {
    for (const [s, stream] of STREAMS.entries()) {
      const kind = kindOf(s, h);
      kinds.set(`${hour} ${stream}`, kind);
      const folder = FOLDERS[s] ?? '';
      const path = `${folder}/${hour.slice(0, 10).replaceAll('-', '')}/${hour.slice(11)}`;
      const moved = (text: string): string =>
        text.replaceAll(`checkout/${prototype}`, JSON.stringify(path).slice(1, -1));
      if (kind === 'empty') continue;
      sandbox.put(BUCKET, `raw/${path}/a.log`, 'line\n');
      if (kind === 'missing') continue;
      if (kind === 'late') sandbox.put(BUCKET, `raw/${path}/b.log`, 'late\n');
      const at = `aggregated/${path}/`;
      const body =
        kind === 'damaged'
          ? '{"version":1'
          : moved(kind === 'foreign' ? manifest.replace('raw/', 'raw/other/') : manifest);
      const figures = kind === 'without-figures' || run === undefined ? {} : { 'x-amz-meta-run': run };
      sandbox.put(BUCKET, `${at}_manifest.json`, body, { headers: figures });
      sandbox.put(BUCKET, at + index.slice(under.length), gzipSync(moved(lines)));
    }
  }
  return kinds;
}
