import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { connect } from '../../lambda/s3/connection.ts';
import { BUCKET, DESTINATION, SETTINGS, openTestBucket } from '../support/test-bucket.ts';

it.each([true, false])(
  'a store that the AWS configuration files name is not taken for Amazon S3: whether it verifies uploads and holds conditions (%s) is tried out',
  async (does) => {
    await using bucket = await openTestBucket();
    const folder = mkdtempSync(join(tmpdir(), 's3-log-rollup-profile-'));
    const file = join(folder, 'config');
    writeFileSync(file, `[default]\nendpoint_url = ${bucket.sandbox.endpoint}\n`);
    vi.stubEnv('AWS_CONFIG_FILE', file);
    const connection = connect({ settings: SETTINGS });
    try {
      if (!does) bucket.sandbox.hook = () => ({ kind: 'ignore-checksums' });
      expect((await connection.store.verifiesUploadsBy(DESTINATION, { inParts: false })).size > 0).toBe(does);
      if (!does) bucket.sandbox.hook = () => ({ kind: 'ignore-conditions' });
      expect(await connection.store.keepsConditions(DESTINATION)).toBe(does);
      expect(bucket.sandbox.requests.map(({ operation }) => operation)).toContain('PutObject');
      expect(bucket.sandbox.keys(BUCKET)).toEqual([]);
    } finally {
      connection.close();
      vi.unstubAllEnvs();
      rmSync(folder, { recursive: true });
    }
  },
);
