import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Templates, findMeeting, findOverlaps } from '../../../lib/config/patterns.ts';
import { type Hour, fillHour, hourBefore, parseHour } from '../../../lambda/rollup/model/hour.ts';

/** True if one template, filled, begins with the other, filled. */
const meets = (one: string, other: string, [a, b]: readonly [string, string]): boolean => {
  const [x, y] = [fillHour(one, parseHour(a)), fillHour(other, parseHour(b))];
  return x.startsWith(y) || y.startsWith(x);
};

describe('findMeeting', () => {
  it.each([
    ['{yyyy}{MM}{dd}/{HH}/', '{yyyy}{MM}{dd}/{HH}/web/'],
    ['a/{HH}', 'a/08-x/'],
    ['a/{yyyy}{MM}{dd}{HH}', 'a/{yyyy}/{MM}/{dd}/{HH}/'.replaceAll('/', '').replace('a', 'a/')],
    ['{yyyy}/{MM}/{dd}/{HH}/', '{yyyy}/{dd}/{MM}/{HH}/'],
    ['a/{yyyy}', 'a/2026/{MM}/'],
    ['{dd}{MM}/{yyyy}/', '2902/{yyyy}/'],
    ['a/', 'a/{HH}/'],
  ])('finds hours for which %s and %s meet', (one, other) => {
    const found = findMeeting(one, other);
    expect(found).toBeDefined();
    expect(meets(one, other, found as [string, string])).toBe(true);
    expect(findMeeting(other, one)).toBeDefined();
  });

  it.each([
    ['a/{yyyy}{MM}{dd}/{HH}/', 'b/{yyyy}{MM}{dd}/{HH}/'],
    ['{yyyy}/{MM}/{dd}/1_a', '{yyyy}/{MM}/{dd}/1_b'],
    ['a/{HH}/', 'a/24/'],
    ['a/{MM}{dd}/', 'a/0230/'],
    ['a/{dd}{MM}/', 'a/3104/'],
    ['{dd}{MM}/{yyyy}/', '2902/2027/'],
    ['{yyyy}{MM}{dd}/{HH}/', 'checkout/{yyyy}{MM}{dd}/{HH}/'],
    ['{MM}-{MM}', '01-02'],
    ['{HH}/{MM}/', '{MM}/13/'],
  ])('finds none for which %s and %s meet', (one, other) => {
    expect(findMeeting(one, other)).toBeUndefined();
    expect(findMeeting(other, one)).toBeUndefined();
  });

  const template = fc
    .array(
      fc.oneof(
        { weight: 3, arbitrary: fc.constantFrom('{yyyy}', '{MM}', '{dd}', '{HH}') },
        { weight: 2, arbitrary: fc.constantFrom('/', '-', 'a', '0', '1', '2', '08', '2026', '11') },
      ),
      { minLength: 1, maxLength: 5 },
    )
    .map((pieces) => pieces.join(''));
  const hours: Hour[] = [
    ...Array.from({ length: 40 }, (_, i) => hourBefore(parseHour('2026-11-21T08'), i * 631)),
    ...[
      '2024-02-29T00',
      '2026-12-31T23',
      '2026-01-01T00',
      '2020-10-10T10',
      '1111-11-11T11',
      '0808-08-08T08',
    ].map(parseHour),
  ];

  it('finds whatever all pairs of some hours show, and what it finds is so', () => {
    fc.assert(
      fc.property(template, template, (one, other) => {
        const found = findMeeting(one, other);
        if (found !== undefined) return meets(one, other, found);
        const filled = hours.map((hour) => fillHour(other, hour));
        return hours.every((hour) => {
          const text = fillHour(one, hour);
          return filled.every((its) => !text.startsWith(its) && !its.startsWith(text));
        });
      }),
      { numRuns: 3_000 },
    );
  });
});

describe('findOverlaps', () => {
  const stream = (name: string, source: string, destination: string): Templates => ({
    name,
    source,
    destination,
  });
  const HOUR = '{yyyy}{MM}{dd}/{HH}/';

  it('names the streams, the hours and the prefixes', () => {
    const streams = [
      stream('all', `s3://b/raw/${HOUR}`, `s3://b/agg/${HOUR}`),
      stream('web', `s3://b/raw/${HOUR}web/`, `s3://b/agg/${HOUR}web/`),
    ];
    expect(findOverlaps(streams)).toEqual([
      {
        index: 1,
        message:
          'overlaps that of all: source raw/20261121/08/web/ (hour 2026-11-21T08) and source raw/20261121/08/ (hour 2026-11-21T08) begin alike, so that objects would be rolled up twice',
      },
    ]);
  });

  it.each<[string, Templates[], number[]]>([
    ['none of one stream', [stream('a', `s3://b/raw/${HOUR}`, `s3://b/agg/${HOUR}`)], []],
    [
      'two destinations',
      [
        stream('a', `s3://b/x/${HOUR}`, `s3://b/agg/${HOUR}`),
        stream('b', `s3://b/y/${HOUR}`, `s3://b/agg/{yyyy}`),
      ],
      [1],
    ],
    ['its own destination', [stream('a', `s3://b/x/${HOUR}`, `s3://b/x/${HOUR}rolled/`)], [0]],
    [
      'the destination of another',
      [
        stream('a', `s3://b/x/${HOUR}`, `s3://c/x/${HOUR}`),
        stream('b', `s3://c/x/2026${HOUR}`, `s3://d/x/${HOUR}`),
      ],
      [],
    ],
    [
      'the destination of one before',
      [
        stream('a', `s3://b/x/${HOUR}`, `s3://c/x/${HOUR}`),
        stream('b', `s3://c/x/{yyyy}`, `s3://d/x/${HOUR}`),
      ],
      [1],
    ],
    [
      'none in other buckets',
      [stream('a', `s3://b/${HOUR}`, `s3://c/${HOUR}`), stream('b', `s3://d/${HOUR}`, `s3://e/${HOUR}`)],
      [],
    ],
  ])('finds %s', (_, streams, at) => {
    expect(findOverlaps(streams).map(({ index }) => index)).toEqual(at);
  });
});
