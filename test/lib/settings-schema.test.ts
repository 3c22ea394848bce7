import { format } from 'prettier';
import { expect, it } from 'vitest';
import { settingsFileSchema } from '../../lib/config/settings-schema.ts';

const PUBLISHED = '../../schema/s3-log-rollup.schema.json';

/** `npx vitest run --config jest.config.ts test/lib/settings-schema.test.ts --update` writes the schema. */
it('the published schema is that of the settings', async () => {
  const text = await format(JSON.stringify(settingsFileSchema()), { parser: 'json', printWidth: 110 });
  await expect(text).toMatchFileSnapshot(PUBLISHED);
});
