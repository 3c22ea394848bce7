import { CODECS, LEVELS } from '../rollup/codec/encoding.ts';
import type { Relation } from './settings.ts';
import { choice, whole } from './kinds.ts';
import { group, row } from './row.ts';

const { gzip, zstd } = LEVELS;

/** How outputs are written. */
export const codec = group('Options:', {
  /** `keep` joins sources as they are; with any other they are decoded, and outputs are written anew. */
  codec: row(choice(CODECS), {
    default: 'keep',
    description:
      'keep, or none, gzip, zstd: decode sources, and write each output as one stream of that format',
    value: '<codec>',
    example: 'gzip',
    recorded: 'unless default',
  }),
  /** Of compression. Undefined: the codec's own. */
  level: row(whole(Math.min(gzip.least, zstd.least), Math.max(gzip.most, zstd.most)), {
    default: undefined,
    defaultText: `${gzip.usual} of gzip, ${zstd.usual} of zstd`,
    description: `of compression: gzip ${gzip.least} to ${gzip.most}, zstd ${zstd.least} to ${zstd.most}`,
    value: '<number>',
    example: '9',
    recorded: 'unless default',
  }),
});

export const codecRelations: Relation[] = [
  {
    of: ['level', 'codec'],
    problem: ({ codec: chosen, level }) => {
      if (level === undefined) return undefined;
      if (chosen === 'keep' || chosen === 'none')
        return 'must stand beside a codec that has levels: gzip or zstd';
      const { least, most } = LEVELS[chosen];
      return level >= least && level <= most ? undefined : `must be from ${least} to ${most} with ${chosen}`;
    },
  },
];
