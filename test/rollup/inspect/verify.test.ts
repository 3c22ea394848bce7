import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it, vi } from 'vitest';
import { type VerifyReport } from '../../../lambda/rollup/inspect/report.ts';
import { verify } from '../../../lambda/rollup/inspect/verify.ts';
import { type Manifest, formatManifest } from '../../../lambda/rollup/model/manifest.ts';
import { maxSockets } from '../../../lambda/settings/settings.ts';
import type { Fault, SandboxRequest } from '../../../sandbox/sandbox.ts';
import { matching, onNth } from '../../support/hooks.ts';
import {
  AGGREGATED,
  BUCKET,
  DESTINATION,
  MANIFEST_KEY,
  RAW,
  type TestBucket,
  failureOf,
  logLines,
  openTestBucket,
  withCrc32,
} from '../../support/test-bucket.ts';

function verified(
  bucket: TestBucket,
  deep: boolean,
  signal = new AbortController().signal,
): Promise<VerifyReport> {
  const { store } = bucket.connection;
  return verify(DESTINATION, { store, deep, concurrency: 2, progress: () => undefined, signal });
}

/** 120 sources, every third without its last newline, and a gzip beside them. */
async function rolledUp(): Promise<TestBucket> {
  const bucket = await openTestBucket();
  for (let i = 0; i < 120; i++) {
    bucket.put(
      `${String(i).padStart(3, '0')}.log`,
      logLines(60_000 + i).subarray(0, i % 3 === 0 ? -1 : undefined),
    );
  }
  bucket.put('one.log.gz', gzipSync('one\n'));
  await bucket.roll();
  return bucket;
}

/** Changes an output's bytes and makes the manifest agree, as only a bug of this program could. */
function forge(bucket: TestBucket, index: number, edit: (body: Buffer) => Buffer): string {
  const { manifest } = bucket;
  const output = manifest.outputs[index];
  if (output === undefined) throw new Error('No such output.');
  const body = edit(Buffer.from(bucket.sandbox.get(BUCKET, output.key) ?? []));
  // S3 holds its CRC-32, which is not compared with a CRC-64/NVME in the manifest.
  const { etag } = bucket.sandbox.put(BUCKET, output.key, body, { headers: withCrc32(body) });
  rewrite(bucket, (now) => {
    now.outputs[index] = { ...output, etag, size: body.length };
    now.totals.outputBytes += body.length - output.size;
  });
  return output.key;
}

function rewrite(bucket: TestBucket, edit: (manifest: Manifest) => void): void {
  const manifest = structuredClone(bucket.manifest);
  edit(manifest);
  bucket.sandbox.put(BUCKET, MANIFEST_KEY, formatManifest(manifest));
}

describe('verify, where all is sound', () => {
  it.each([false, true])('finds no problem (deep: %s)', async (deep) => {
    await using bucket = await rolledUp();
    const { totals } = bucket.manifest;
    expect(await verified(bucket, deep)).toEqual({
      status: 'ok',
      source: `s3://${BUCKET}/${RAW}`,
      destination: `s3://${BUCKET}/${AGGREGATED}`,
      deep,
      problems: [],
      expired: 0,
      unnamed: 0,
      objects: totals.objects,
      bytes: totals.bytes,
      outputs: totals.outputs,
      outputBytes: totals.outputBytes,
    });
  });

  it('finds no problem where sources have left raw, and counts objects that the manifest does not name', async () => {
    await using bucket = await rolledUp();
    for (let i = 0; i < 50; i++) bucket.remove(`${String(i).padStart(3, '0')}.log`);
    bucket.sandbox.put(BUCKET, `${AGGREGATED}part-00009-0123456789ab.log`, 'unnamed');
    expect(await verified(bucket, true)).toMatchObject({ status: 'ok', expired: 50, unnamed: 1 });
  });

  it('finds no problem where a body breaks off and is asked for again', async () => {
    await using bucket = await rolledUp();
    bucket.sandbox.hook = onNth(3, matching('GetObject', AGGREGATED), {
      kind: 'cut',
      afterBytes: 100_000,
      how: 'reset',
    });
    expect(await verified(bucket, true)).toMatchObject({ status: 'ok' });
  });
});

it('verify reads every source and opens no more connections than maxSockets', async () => {
  await using bucket = await rolledUp();
  const opened = vi.spyOn(bucket.connection.gauge, 'connectionOpened');
  expect(await verified(bucket, true)).toMatchObject({ status: 'ok' });
  expect(bucket.downloads().length).toBeGreaterThan(200);
  expect(opened.mock.calls.length).toBeLessThanOrEqual(maxSockets(bucket.settings));
});

describe('verify names', () => {
  it.each<[string, (bucket: TestBucket) => object, boolean]>([
    [
      'an output that is gone',
      (bucket) => {
        const key = bucket.manifest.outputs[0]?.key ?? '';
        bucket.sandbox.delete(BUCKET, key);
        return { code: 'output-missing', output: key };
      },
      false,
    ],
    [
      'an output that is another',
      (bucket) => {
        const key = bucket.manifest.outputs[1]?.key ?? '';
        bucket.sandbox.put(BUCKET, key, 'another');
        return { code: 'output-changed', output: key };
      },
      false,
    ],
    [
      'an output with another CRC-64/NVME than committed',
      (bucket) => {
        rewrite(bucket, ({ outputs: [first] }) => {
          if (first !== undefined) first.crc64nvme = '0'.repeat(16);
        });
        return { code: 'output-checksum', output: bucket.manifest.outputs[0]?.key };
      },
      false,
    ],
    [
      'a late source',
      (bucket) => {
        bucket.put('late.log', 'late');
        return { code: 'source-late', source: `${RAW}late.log` };
      },
      false,
    ],
    [
      'a changed source',
      (bucket) => {
        bucket.put('007.log', 'changed');
        return { code: 'source-changed', source: `${RAW}007.log`, output: bucket.manifest.outputs[0]?.key };
      },
      false,
    ],
    [
      'totals that do not add up',
      (bucket) => {
        rewrite(bucket, ({ totals }) => {
          totals.objects++;
        });
        return { code: 'sources-inconsistent' };
      },
      false,
    ],
    [
      "a byte that is not its source's",
      (bucket) => {
        const output = forge(bucket, 0, (body) => {
          body[70_000] = 0x00;
          return body;
        });
        // Before it are 60,000 bytes less one, and an added newline.
        return { code: 'source-bytes', output, offset: 70_000, source: `${RAW}001.log` };
      },
      true,
    ],
    [
      "the last byte that is not its source's",
      (bucket) => {
        const output = forge(bucket, 1, (body) => {
          body[body.length - 1] = 0x00;
          return body;
        });
        return { output, offset: (bucket.outputs()[1]?.body.length ?? 0) - 1 };
      },
      true,
    ],
    [
      'what was added and is no newline',
      (bucket) => {
        const output = forge(bucket, 0, (body) => {
          body[59_999] = 0x20;
          return body;
        });
        return { code: 'output-bytes', output, offset: 59_999, source: `${RAW}000.log` };
      },
      true,
    ],
  ])('%s', async (_, spoil, deep) => {
    await using bucket = await rolledUp();
    const expected = spoil(bucket);
    const report = await verified(bucket, deep);
    expect(report.status).toBe('mismatch');
    expect(report.problems).toContainEqual(expect.objectContaining(expected));
  });

  it.each<[string, (line: { offset: number; length: number; size: number }) => void]>([
    [
      'overlap',
      (line) => {
        line.offset -= 2;
      },
    ],
    [
      'leave a gap',
      (line) => {
        line.offset += 2;
      },
    ],
    [
      'are shorter than their source',
      (line) => {
        line.length -= 1;
      },
    ],
  ])('where frames %s', async (_, edit) => {
    await using bucket = await rolledUp();
    const { key } = bucket.manifest.sources;
    const lines = gunzipSync(bucket.sandbox.get(BUCKET, key) ?? Buffer.alloc(0))
      .toString()
      .trimEnd()
      .split('\n');
    const line = JSON.parse(lines[4] ?? '') as { offset: number; length: number; size: number };
    edit(line);
    lines[4] = JSON.stringify(line);
    bucket.sandbox.put(BUCKET, key, gzipSync(`${lines.join('\n')}\n`));
    const { problems } = await verified(bucket, false);
    expect(problems).toContainEqual(
      expect.objectContaining({ code: 'sources-inconsistent', output: bucket.manifest.outputs[0]?.key }),
    );
  });
});

describe('verify, when it is stopped', () => {
  it.each<[string, (request: SandboxRequest) => boolean, Fault]>([
    [
      'the listing of the destination',
      ({ operation, prefix }) => operation === 'ListObjectsV2' && prefix === AGGREGATED,
      { kind: 'hang' },
    ],
    [
      'the listing of raw',
      ({ operation, prefix }) => operation === 'ListObjectsV2' && prefix === RAW,
      { kind: 'hang' },
    ],
    [
      'the body of an output',
      matching('GetObject', `${AGGREGATED}part-`),
      { kind: 'stall', afterBytes: 1000 },
    ],
    ['the body of a source', matching('GetObject', RAW), { kind: 'stall', afterBytes: 1000 }],
  ])('ends although %s never comes', async (_, matches, fault) => {
    await using bucket = await rolledUp();
    const controller = new AbortController();
    bucket.sandbox.hook = (request) => {
      if (!matches(request)) return undefined;
      setImmediate(() => {
        controller.abort();
      });
      return fault;
    };
    expect(await failureOf(verified(bucket, true, controller.signal))).toMatchObject({ code: 'Aborted' });
  });
});

it('verify fails where nothing is rolled up', async () => {
  await using bucket = await openTestBucket();
  expect(await failureOf(verified(bucket, false))).toMatchObject({ code: 'NoManifest', key: MANIFEST_KEY });
});
