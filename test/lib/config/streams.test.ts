import { describe, expect, it } from 'vitest';
import { type StreamProps, streamsSchema } from '../../../lib/config/streams.ts';
import { formatIssues } from '../../../lib/config/invalid-configuration.ts';

const HOUR = '{yyyy}{MM}{dd}/{HH}/';
const schema = streamsSchema('s3://logs/raw/', 's3://logs/aggregated/', 300);
const problemsOf = (streams: unknown): string[] =>
  formatIssues(schema.safeParse(streams).error?.issues ?? [], ['streams']);

describe('streams whose sources end anywhere', () => {
  it.each([
    'cf/E2EXAMPLE.{yyyy}-{MM}-{dd}-{HH}',
    's3://logs/raw/cf/E2EXAMPLE.{yyyy}-{MM}-{dd}-{HH}',
    '{yyyy}-{MM}-{dd}-{HH}-',
    'AWSLogs/1/elasticloadbalancing/eu-west-1/{yyyy}/{MM}/{dd}/1_elasticloadbalancing_eu-west-1_app.web_{yyyy}{MM}{dd}T{HH}',
    '/AWSLogs//{yyyy}/{MM}/{dd}/{HH}',
  ])('are taken: %s', (source) => {
    expect(schema.parse([{ name: 'a', source }])).toEqual([
      { name: 'a', path: source.replace('s3://logs/raw/', ''), minute: 10 },
    ]);
  });
});

describe('each', () => {
  const trail: StreamProps = {
    name: 'trail-{region}',
    source:
      'AWSLogs/111122223333/CloudTrail/{region}/{yyyy}/{MM}/{dd}/111122223333_CloudTrail_{region}_{yyyy}{MM}{dd}T{HH}',
    each: { region: ['eu-west-1', 'us-east-1'] },
  };

  it('stands for one stream each', () => {
    expect(schema.parse([trail, { name: 'app', minute: 20 }])).toEqual([
      ...['eu-west-1', 'us-east-1'].map((region) => ({
        name: `trail-${region}`,
        path: `AWSLogs/111122223333/CloudTrail/${region}/{yyyy}/{MM}/{dd}/111122223333_CloudTrail_${region}_{yyyy}{MM}{dd}T{HH}`,
        minute: 10,
      })),
      { name: 'app', path: `app/${HOUR}`, minute: 20 },
    ]);
  });

  it('stands for every combination of several placeholders, in the default source too', () => {
    const each = { account: ['111122223333', '444455556666'], app: ['web', 'api'] };
    const streams = schema.parse([{ name: '{app}-{account}', each }]);
    expect(streams.map(({ name }) => name)).toEqual([
      'web-111122223333',
      'api-111122223333',
      'web-444455556666',
      'api-444455556666',
    ]);
    expect(streams[0]?.path).toBe(`web-111122223333/${HOUR}`);
  });

  const x = (each: unknown, name = '{x}', source = `{x}/${HOUR}`) => [{ name, source, each }];
  it.each<[string, unknown, string[]]>([
    [
      'a placeholder without values in the source',
      x({ x: ['1'] }, '{x}', `{x}/{y}/${HOUR}`),
      [
        'streams[0].source: must have no placeholders but {yyyy}, {MM}, {dd} and {HH}, and those that "each" has values for',
      ],
    ],
    [
      'one in the name',
      x({ x: ['1'] }, '{x}{y}'),
      ['streams[0].name: has a placeholder that "each" has no values for: 1{y}'],
    ],
    [
      'one of the hour in the name',
      [{ name: 'a{HH}' }],
      ['streams[0].name: has a placeholder that "each" has no values for: a{HH}'],
    ],
    [
      'values that nothing uses',
      x({ x: ['1'], y: ['1'] }),
      ['streams[0].each.y: is not used: put {y} into the name and the source'],
    ],
    ...['HH', 'hh', 'yyyy'].map((key): [string, unknown, string[]] => [
      `the placeholder {${key}} of the hour`,
      x({ [key]: ['1'] }, `{${key}}`),
      [
        `streams[0].each.${key}: must be named otherwise: {yyyy}, {MM}, {dd} and {HH} are filled from the hour`,
      ],
    ]),
    [
      'a name with a blank',
      x({ 'x y': ['1'] }),
      ['streams[0].each.x y: must be named by 1 to 40 letters, digits or "_", and begin with a letter'],
    ],
    [
      'names that are one after the values are filled in',
      x({ x: ['1', '2'] }, 'a'),
      ['streams[0].name: is that of another stream (of a)'],
    ],
    [
      'sources that are one',
      x({ x: ['1', '2'] }, '{x}', `a/${HOUR}`),
      ['streams[0].source: is that of another stream (of 2)'],
    ],
    [
      'sources that overlap',
      x({ x: ['a', 'b'] }, '{x}', `{x}/${HOUR}`).concat(x(undefined, 'c', `a/${HOUR}c/`)),
      [
        'streams[1].source: overlaps that of a: source raw/a/20261121/08/c/ (hour 2026-11-21T08) and source raw/a/20261121/08/ (hour 2026-11-21T08) begin alike, so that objects would be rolled up twice',
      ],
    ],
    ['no values', x({ x: [] }), ['streams[0].each.x: must have at least one value']],
    ['one value twice', x({ x: ['1', '1'] }), ['streams[0].each.x[1]: has "1" twice']],
    ['braces', x({ x: ['{HH}'] }), ['streams[0].each.x[0]: must have no braces']],
    ['an empty value', x({ x: [''] }), ['streams[0].each.x[0]: must not be empty']],
    [
      'a number',
      x({ x: [111122223333] }),
      ['streams[0].each.x[0]: must be text, in quotes: the id of an account may begin with 0'],
    ],
    ['a text', x({ x: 'a' }), ['streams[0].each.x: must be a list of texts']],
    [
      'a list',
      x(['a']),
      ['streams[0].each: must be an object of lists, such as {"region": ["eu-west-1", "us-east-1"]}'],
    ],
    [
      'more than a stack can hold',
      x(
        Object.fromEntries(
          'xyz'.split('').map((key) => [key, Array.from({ length: 11 }, (_, i) => String(i))]),
        ),
        '{x}{y}{z}',
      ),
      [
        'streams[0].each: stands for 1331 streams, and a stack has room for 166 at most: share the values out among several stacks',
      ],
    ],
  ])('is refused with %s', (_, streams, problems) => {
    expect(problemsOf(streams)).toEqual(problems);
  });
});
