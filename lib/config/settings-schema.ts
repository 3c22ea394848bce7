import { z } from 'zod';
import { ROWS } from '../../lambda/settings/settings.ts';
import { stackSchema } from './context.ts';

const location = (description: string, root: string) => ({
  description: `${description}, where none is typed. For the command line alone`,
  type: 'string',
  pattern: '^s3://',
  examples: [`s3://application-logs/${root}/checkout/{yyyy}{MM}{dd}/{HH}/`],
});

/** JSON schema of the settings file `s3-log-rollup.json`, for editors; published as schema/s3-log-rollup.schema.json. */
export function settingsFileSchema(): Record<string, unknown> {
  const rows = ROWS.map(({ name, schema, description, default: byDefault, only }) => {
    const where = only === undefined ? '' : `. For the ${only} alone`;
    return [
      name,
      {
        description: description + where,
        ...jsonSchema(schema),
        ...(byDefault === undefined ? {} : { default: byDefault }),
      },
    ];
  });
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 's3-log-rollup.json',
    description:
      'Settings of s3-log-rollup, for its command line and its stack. Flags and context override them.',
    type: 'object',
    properties: {
      $schema: { type: 'string', description: 'where this schema is' },
      source: location('prefix to roll up', 'raw'),
      destination: location('where to', 'aggregated'),
      ...Object.fromEntries(rows),
      stack: { description: 'context values of the stack: see docs/deploy.md', ...jsonSchema(stackSchema) },
    },
    additionalProperties: false,
  };
}

/** A zod schema of input values as JSON schema, without the checks that JSON schema cannot express. */
function jsonSchema(schema: z.ZodType): Record<string, unknown> {
  const json: Record<string, unknown> = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  delete json['$schema'];
  return json;
}
