import { HeadObjectCommand } from '@aws-sdk/client-s3';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { readManifest } from '../../../lambda/rollup/committed/read-manifest.ts';
import {
  type RunFigures,
  formatFigures,
  parseFigures,
} from '../../../lambda/rollup/committed/run-figures.ts';
import { VERSION } from '../../../lambda/version.ts';
import { BUCKET, DESTINATION, MANIFEST_KEY, openTestBucket, withCrc32 } from '../../support/test-bucket.ts';

const FIGURES: RunFigures = {
  version: '1.2.3',
  startedAt: '2026-11-21T09:05:00.000Z',
  durationSeconds: 12.5,
  by: 'function',
  requests: { list: 1, get: 2, put: 3, copy: 4, delete: 5, retries: 6 },
  peak: { connections: 7, rssBytes: 8, fileDescriptors: 9, inFlightBytes: 10 },
  memoryLimitBytes: 11,
  continuations: 12,
};

describe('what a run leaves with its manifest', () => {
  test('the version in the figures is that of package.json', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(VERSION).toBe(version);
  });

  test('a commit has the figures of its run as user metadata, and a manifest of the same bytes as one without', async () => {
    await using bucket = await openTestBucket();
    bucket.put('a.log', 'a\n', { headers: withCrc32('a\n') });
    const { requests } = await bucket.roll({ by: 'command-line', continuations: 2 });
    const found = await readManifest(bucket.connection.store, DESTINATION);
    const figures = parseFigures(found?.metadata);
    expect(figures).toMatchObject({ version: VERSION, by: 'command-line', continuations: 2 });
    expect(figures?.peak.connections).toBeGreaterThan(0);
    expect(figures?.peak.inFlightBytes).toBeGreaterThan(0);
    expect(figures?.peak.rssBytes).toBeGreaterThan(1e6);
    // Counted just before the manifest is put: what follows is not in it.
    expect(figures?.requests.list).toBeGreaterThan(0);
    expect(figures?.requests.put).toBeLessThan(requests.put);
    expect(Object.keys(found?.manifest ?? {})).not.toContain('run');
    expect(found?.manifest.version).toBe(1);
  });

  test('a repack that wrote the manifest again has the figures of its own run', async () => {
    await using bucket = await openTestBucket();
    bucket.put('a.log', 'a\n');
    await bucket.roll({ by: 'command-line' });
    await bucket.roll({ by: 'function', repack: true, memoryLimitBytes: 1_024 });
    const found = await readManifest(bucket.connection.store, DESTINATION);
    expect(parseFigures(found?.metadata)).toMatchObject({ by: 'function', memoryLimitBytes: 1_024 });
  });

  test('a manifest without figures, as earlier releases wrote it, is read and added to', async () => {
    await using bucket = await openTestBucket();
    bucket.put('a.log', 'a\n');
    await bucket.roll();
    const { store, client } = bucket.connection;
    const body = (await store.getIfPresent({ bucket: BUCKET, key: MANIFEST_KEY }))?.body ?? Buffer.alloc(0);
    await store.put({ bucket: BUCKET, key: MANIFEST_KEY }, body, 'application/json');
    const head = await client.send(new HeadObjectCommand({ Bucket: BUCKET, Key: MANIFEST_KEY }));
    expect(head.Metadata ?? {}).toEqual({});
    expect(parseFigures((await readManifest(store, DESTINATION))?.metadata)).toBeUndefined();
    bucket.put('b.log', 'b\n');
    expect(await bucket.roll()).toMatchObject({ status: 'committed', objects: 2 });
  });

  test.each([
    ['no figures', {}],
    ['other metadata', { added: 'x' }],
    ['no JSON', { run: '{' }],
    ['JSON of something else', { run: '[1]' }],
    ['a count below zero', { run: JSON.stringify({ ...FIGURES, continuations: -1 }) }],
  ])('%s is no figures, and no error', (_, metadata) => {
    expect(parseFigures(metadata)).toBeUndefined();
  });

  test('figures come back as they were, in ASCII, and without fields of a later release', () => {
    const figures = { ...FIGURES, version: '1.2.3-ü\u202e\n' };
    const metadata = formatFigures(figures);
    expect(metadata['run']).toMatch(/^[\x20-\x7e]+$/);
    expect(parseFigures(metadata)).toEqual(figures);
    const later = { run: JSON.stringify({ ...FIGURES, moon: 'full' }) };
    expect(parseFigures(later)).toEqual(FIGURES);
  });

  test('figures above what S3 takes as metadata are left out', () => {
    expect(formatFigures({ ...FIGURES, version: 'x'.repeat(2_000) })).toEqual({});
  });
});
