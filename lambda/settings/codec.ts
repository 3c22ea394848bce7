import { choice, whole } from './value-types.ts';
import { group, row } from './row.ts';

/** Formats of outputs. `keep` joins sources as they are, those of one kind with each other. */
export const CODECS = ['keep', 'none', 'gzip', 'zstd'] as const;

export type Codec = (typeof CODECS)[number];

/** Levels of compression. `usual` is the default of the formats' own programs. Above 19, zstd needs gigabytes of memory. */
export const LEVELS = {
  gzip: { least: 1, most: 9, usual: 6 },
  zstd: { least: 1, most: 19, usual: 3 },
} as const;

const { gzip, zstd } = LEVELS;
/** One rule for both, so that nobody who is told of one is then told of another. */
const BY_CODEC = `from ${gzip.least} to ${gzip.most} with gzip, and from ${zstd.least} to ${zstd.most} with zstd`;

/** Settings of the format of outputs. */
export const codec = group('Options:', {
  /**
   * `keep` joins sources as they are; with any other, sources are decoded and each output is one stream of that format.
   *
   * @defaultValue `keep`
   */
  codec: row(choice(CODECS), {
    default: 'keep',
    description:
      'keep, or none, gzip, zstd: decode sources, and write each output as one stream of that format',
    value: '<codec>',
    example: 'gzip',
    recorded: 'unless default',
  }),
  /**
   * Level of compression: 1 to 9 with gzip, 1 to 19 with zstd.
   *
   * @defaultValue that of the codec: 6 of gzip, 3 of zstd
   */
  level: row(whole(Math.min(gzip.least, zstd.least), Math.max(gzip.most, zstd.most), BY_CODEC), {
    default: undefined,
    defaultText: `${gzip.usual} of gzip, ${zstd.usual} of zstd`,
    description: `of compression: gzip ${gzip.least} to ${gzip.most}, zstd ${zstd.least} to ${zstd.most}`,
    value: '<number>',
    example: '9',
    recorded: 'unless default',
  }),
});
