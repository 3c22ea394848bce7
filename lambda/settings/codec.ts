import { choice, whole } from './value-types.ts';
import { group, row } from './row.ts';

/** What outputs are written as. `keep`: sources as they are, like joined with like. */
export const CODECS = ['keep', 'none', 'gzip', 'zstd'] as const;

export type Codec = (typeof CODECS)[number];

/** `usual` is what the formats' own programs take. Above 19, zstd needs memory that grows to gigabytes. */
export const LEVELS = {
  gzip: { least: 1, most: 9, usual: 6 },
  zstd: { least: 1, most: 19, usual: 3 },
} as const;

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
