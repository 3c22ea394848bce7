import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { parseEnvironment } from '../../lambda/invocation/environment.ts';
import { parseStreams } from '../../lambda/invocation/streams.ts';
import { refuseTooMuchEnvironment, streamsVariable } from '../../lib/function-environment.ts';
import { InvalidConfiguration } from '../../lib/config/invalid-configuration.ts';

const HOUR = '{yyyy}{MM}{dd}/{HH}/';
const ROOTS = {
  rawRoot: { bucket: 'logs', prefix: 'raw/' },
  aggregatedRoot: { bucket: 'rollups', prefix: '' },
};
const under = (name: string, path: string) => ({
  name,
  source: `s3://logs/raw/${path}`,
  destination: `s3://rollups/${path}`,
});
const many = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    name: `service-${i}`,
    path: `team-${i % 7}/service-${i}/${HOUR}`,
  }));

describe('the variable that holds the streams', () => {
  it('is a list of names, with the template of those whose it cannot be told from', () => {
    const streams = [
      { name: 'checkout', path: `checkout/${HOUR}` },
      { name: 'audit', path: 'a "b", ü/{yyyy}/{MM}/{dd}/{HH}/' },
    ];
    const text = streamsVariable(streams);
    expect(text).toBe('["checkout",["audit","a \\"b\\", ü/{yyyy}/{MM}/{dd}/{HH}/"]]');
    expect(parseStreams(text, ROOTS)).toEqual(streams.map(({ name, path }) => under(name, path)));
  });

  it('is compressed where it is long, and read again', () => {
    const text = streamsVariable(many(200));
    expect(text).toMatch(/^[\w-]{100,3000}$/);
    expect(parseStreams(text, ROOTS)).toEqual(many(200).map(({ name, path }) => under(name, path)));
  });

  it.each<[string, string]>([
    ['is no list', 'checkout'],
    ['is broken JSON', '["checkout"'],
    ['has no stream', '[]'],
    ['has a stream without a name', '[""]'],
    ['has an entry of three', '[["a","b/","c"]]'],
    ['has a stream without hours', '[["a","a/{yyyy}{MM}{dd}/"]]'],
    ['has a stream with other placeholders', `[["a","{team}/${HOUR}"]]`],
    ['has a template of another program', '[["a","%Y%m%d/%H/"]]'],
    ['has a template that climbs', `[["a","../${HOUR}"]]`],
    ['inflates to what no stack wrote', deflateRawSync(Buffer.alloc(2 ** 21, ' ')).toString('base64url')],
  ])('is refused where it %s', (_, text) => {
    expect(() => parseStreams(text, ROOTS)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }));
    const environment = { RAW_ROOT: 's3://logs/raw/', AGGREGATED_ROOT: 's3://rollups/', STREAMS: text };
    expect(() => parseEnvironment(environment)).toThrow(/^STREAMS: /);
  });

  it('may be missing only where any prefix is allowed', () => {
    const environment = { RAW_ROOT: 's3://logs/raw/', AGGREGATED_ROOT: 's3://rollups/' };
    expect(() => parseEnvironment(environment)).toThrow('STREAMS is not set: deploy again.');
    expect(parseEnvironment({ ...environment, ALLOW_ANY_PREFIX: 'true' }).streams).toEqual([]);
  });
});

describe('what Lambda takes as variables of a function', () => {
  const token = '${Token[TOKEN.123]}';
  it('is 4,096 bytes, names and values, a token counted as the longest that it may come to', () => {
    const fits = { A: 'x'.repeat(4_095) };
    expect(() => {
      refuseTooMuchEnvironment(fits);
    }).not.toThrow();
    expect(() => {
      refuseTooMuchEnvironment({ A: `${'x'.repeat(3_934)}${token}` });
    }).not.toThrow();
    for (const value of ['x'.repeat(4_096), `${'x'.repeat(4_094)}ü`, `${'x'.repeat(3_936)}${token}`]) {
      expect(() => {
        refuseTooMuchEnvironment({ A: value });
      }).toThrow(InvalidConfiguration);
    }
  });

  it('is told with what takes the most and what to do', () => {
    const random = Array.from({ length: 300 }, (_, i) => {
      const name = deflateRawSync(`${i * 7_919}-${Math.sin(i)}`)
        .toString('base64url')
        .slice(0, 24);
      return { name, path: `${name}/x/${HOUR}` };
    });
    expect(() => {
      refuseTooMuchEnvironment({ STREAMS: streamsVariable(random), FILTERS: '[]' });
    }).toThrow(
      /come to \d+ bytes, and Lambda takes 4096; the largest are STREAMS \d+, FILTERS 9\..*several stacks/,
    );
  });
});
