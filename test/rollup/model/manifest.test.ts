import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gunzipSync, gzipSync } from 'node:zlib';
import {
  type CommittedOutput,
  type Manifest,
  formatManifest,
  laterThan,
  parseManifest,
  versionOf,
} from '../../../lambda/rollup/model/manifest.ts';
import { planRollup } from '../../../lambda/rollup/plan/planner.ts';
import {
  PREFIX,
  SIDES,
  carriedOut,
  formatSources,
  inKeyOrder,
  listed,
  parseSources,
} from '../../support/planning.ts';

const KEY = `${PREFIX}_manifest.json`;

function rollupOf(keys: string[]) {
  const objects = keys.map((key, i) => listed(key, (i % 70) + 1)).toSorted(inKeyOrder);
  const settings = { targetSize: 100, newline: 'ensure' } as const;
  return carriedOut(planRollup({ listed: objects, committed: undefined, ...SIDES, settings }), undefined);
}

const { manifest, sources } = rollupOf(['a.log', 'b\n.log', 'c "😀" \u0001 \u2028.log', 'd.gz']);

describe('manifest', () => {
  it('reads back as it was written', () => {
    expect(parseManifest(formatManifest(manifest), KEY)).toEqual(manifest);
  });

  it.each([
    ['a clock that has stopped', '2026-11-21T09:05:00.000Z', '2026-11-21T09:05:00.001Z'],
    ['a clock that is behind', '2026-11-21T08:00:00.000Z', '2026-11-21T09:05:00.001Z'],
    ['a clock that went on', '2026-11-21T09:06:00.000Z', '2026-11-21T09:06:00.000Z'],
  ])('is later than the one that it replaces: %s', (_, now, expected) => {
    expect(laterThan({ createdAt: '2026-11-21T09:05:00.000Z' }, new Date(now))).toBe(expected);
  });

  it.each<[string, unknown, string]>([
    ['nothing', '', 'it is not JSON'],
    ['no JSON', '<Manifest/>', 'it is not JSON'],
    ['one that was cut short', formatManifest(manifest).toString().slice(0, -10), 'it is not JSON'],
    ['null', null, 'expected object'],
    ['a list', [], 'expected object'],
    ['the manifest of another program', { entries: [{ url: 's3://b/a', mandatory: true }] }, 'version'],
    ['an older version', { ...manifest, version: 0 }, 'version'],
    ['a version that is no number', { ...manifest, version: '2' }, 'version'],
    [
      'an output without its ETag',
      { ...manifest, outputs: [{ ...manifest.outputs[0], etag: undefined }] },
      'outputs[0].etag',
    ],
    [
      'an output with a bad CRC-32',
      { ...manifest, outputs: [{ ...manifest.outputs[0], crc32: 'xyz' }] },
      'outputs[0].crc32',
    ],
    ['a negative size', { ...manifest, outputs: [{ ...manifest.outputs[0], size: -1 }] }, 'outputs[0].size'],
    ['no sources', { ...manifest, sources: undefined }, 'sources'],
  ])('refuses %s', (_, value, why) => {
    const body = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
    expect(() => parseManifest(body, KEY)).toThrow(
      expect.objectContaining({ code: 'BadManifest', key: KEY }),
    );
    expect(() => parseManifest(body, KEY)).toThrow(why);
  });

  it('with an unknown field is taken for one of a later release, and not for a damaged one', () => {
    const body = Buffer.from(JSON.stringify({ ...manifest, more: 1 }));
    expect(() => parseManifest(body, KEY)).toThrow(
      expect.objectContaining({
        code: 'ManifestVersion',
        key: KEY,
        message: expect.stringContaining('leave the object where it is') as string,
      }),
    );
  });

  it.each([
    [1, { empty: 1, filtered: 2 }, false],
    [2, { empty: 1, filtered: 2, hidden: 3 }, false],
    [2, { empty: 0, filtered: 0, own: 1 }, false],
    [2, { empty: 1, filtered: 2 }, true],
  ])(
    'is of version %i where it skipped %j, and its index has headers: %j',
    (version, skipped, hasHeaders) => {
      const totals = { ...manifest.totals, skipped };
      expect(versionOf({ totals, outputs: [] }, { hasHeaders })).toBe(version);
      const written = { ...manifest, version: versionOf({ totals, outputs: [] }, { hasHeaders }), totals };
      const body = formatManifest(written);
      expect(parseManifest(body, KEY)).toEqual(written);
      expect(body.toString()).toMatch(RegExp(`^{\\n  "version": ${version},\\n`));
    },
  );

  it('is of version 3 where an output has a CRC-64/NVME, and refuses an output with two checksums or none', () => {
    const { totals } = manifest;
    const { crc32, ...rest } = manifest.outputs[0] as CommittedOutput;
    const outputs = [{ ...rest, crc64nvme: 'ae8b14860a799888' }];
    expect(versionOf({ totals, outputs }, { hasHeaders: false })).toBe(3);
    const written: Manifest = { ...manifest, version: 3, outputs };
    expect(parseManifest(formatManifest(written), KEY)).toEqual(written);
    for (const checksums of [{}, { crc32, crc64nvme: 'ae8b14860a799888' }, { crc64nvme: 'ae8b1486' }]) {
      const body = formatManifest({ ...written, outputs: [{ ...rest, ...checksums }] });
      expect(() => parseManifest(body, KEY)).toThrow('outputs[0]');
    }
  });

  it('is of version 2 where it says that the sources stay in raw', () => {
    const { totals } = manifest;
    expect(versionOf({ totals, outputs: [], keepSource: true }, { hasHeaders: false })).toBe(2);
    const written: Manifest = { ...manifest, version: 2, keepSource: true };
    expect(parseManifest(formatManifest(written), KEY)).toEqual(written);
  });

  it('refuses a newer version, whatever else is in it', () => {
    const body = Buffer.from(JSON.stringify({ version: 4, shards: [] }));
    expect(() => parseManifest(body, KEY)).toThrow(
      expect.objectContaining({ code: 'ManifestVersion', key: KEY }),
    );
  });
});

describe('the index of sources', () => {
  it('reads back as it was written, whatever the keys', async () => {
    const keys = fc.uniqueArray(fc.string({ unit: 'grapheme', minLength: 1 }), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(keys, async (given) => {
        const rollup = rollupOf(given);
        const { body } = await formatSources(rollup.sources);
        expect(await parseSources(body, rollup.manifest)).toEqual(rollup.sources);
      }),
    );
  });

  it('has one line for each source, its fields in the order of the format', async () => {
    const { name, body } = await formatSources(sources);
    expect(name).toMatch(/^_sources-[0-9a-f]{12}\.jsonl\.gz$/);
    const lines = gunzipSync(body).toString().split('\n');
    expect(lines.pop()).toBe('');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(sources);
    for (const line of lines) {
      expect(Object.keys(JSON.parse(line) as object)).toEqual([
        'key',
        'etag',
        'size',
        'lastModified',
        'output',
        'offset',
        'length',
      ]);
    }
  });

  it('is named after its content', async () => {
    const { name } = await formatSources(sources);
    expect((await formatSources(structuredClone(sources))).name).toBe(name);
    expect((await formatSources(sources.slice(1))).name).not.toBe(name);
    const other = sources.map((source, i) => (i === 0 ? { ...source, offset: 1 } : source));
    expect((await formatSources(other)).name).not.toBe(name);
  });

  const [first, ...rest] = sources.map((source) => JSON.stringify(source));
  const lines = (...all: (string | undefined)[]): Buffer => gzipSync(`${all.join('\n')}\n`);
  it.each<[string, Buffer, string]>([
    ['no gzip', Buffer.from('{}'), 'it is not gzip'],
    ['gzip that was cut short', lines(first, ...rest).subarray(0, -9), 'it is not gzip'],
    [
      'a line too few',
      lines(...rest),
      `it has ${rest.length} lines where the manifest says ${rest.length + 1}`,
    ],
    ['a line too many', lines(first, first, ...rest), `it has ${rest.length + 2} lines`],
    ['a line that is no JSON', lines('{"key":', ...rest), 'it is not JSON'],
    ['a line without an offset', lines(first?.replace('"offset"', '"of"'), ...rest), 'line 1'],
    [
      'a negative length',
      lines(
        first,
        ...rest.slice(1),
        '{"key":"a","etag":"e","size":1,"lastModified":"","output":"o","offset":0,"length":-1}',
      ),
      `line ${rest.length + 1}`,
    ],
  ])('is refused with %s', async (_, body, why) => {
    const key = manifest.sources.key;
    await expect(parseSources(body, manifest)).rejects.toMatchObject({ code: 'BadManifest', key });
    await expect(parseSources(body, manifest)).rejects.toThrow(why);
  });

  it('of no sources is empty', async () => {
    const { body } = await formatSources([]);
    const none: Manifest = { ...manifest, sources: { key: 'k', count: 0 } };
    expect(await parseSources(body, none)).toEqual([]);
  });
});
