import { LEVELS } from './codec.ts';
import { type Relation } from './table.ts';

/** Every condition between settings. */
export const RELATIONS: readonly Relation[] = [
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
  {
    of: ['sourceFormat', 'codec'],
    problem: ({ codec: chosen, sourceFormat }) =>
      chosen !== 'keep' && (sourceFormat === 'bzip2' || sourceFormat === 'xz')
        ? `must be auto, plain, gzip or zstd beside a codec: ${sourceFormat} is not decoded`
        : undefined,
  },
  {
    of: ['fanOut', 'destinationRoleArn'],
    problem: (settings) =>
      settings.fanOut && settings.destinationRoleArn !== undefined
        ? 'must be off beside destinationRoleArn: Step Functions reads the plan under the destination by its own role'
        : undefined,
  },
];
