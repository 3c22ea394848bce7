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
  {
    of: ['sse', 'kmsKeyId'],
    problem: ({ sse, kmsKeyId }) =>
      sse !== undefined && kmsKeyId !== undefined
        ? 'must be left out beside kmsKeyId, which is another encryption'
        : undefined,
  },
  ...(['source', 'destination'] as const).map((side): Relation => {
    const [externalId, roleArn] = [`${side}ExternalId`, `${side}RoleArn`] as const;
    return {
      of: [externalId, roleArn],
      problem: (settings) =>
        settings[externalId] !== undefined && settings[roleArn] === undefined
          ? `must stand beside ${roleArn}, whose trust policy asks for it`
          : undefined,
    };
  }),
  {
    of: ['fanOut', 'destinationRegion'],
    problem: ({ fanOut, destinationRegion }) =>
      fanOut && destinationRegion !== undefined
        ? `must be off beside destinationRegion: ${SAME_REGION}; leave destinationRegion out where it is the stack's own`
        : undefined,
  },
  {
    of: ['fanOut', 'destinationEndpointUrl'],
    problem: ({ fanOut, destinationEndpointUrl }) =>
      fanOut && destinationEndpointUrl !== undefined && !isOfAws(destinationEndpointUrl)
        ? `must be off beside destinationEndpointUrl ${destinationEndpointUrl}: ${SAME_REGION}, and at no other endpoint than AWS's own`
        : undefined,
  },
];

// https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html
const SAME_REGION =
  'Step Functions reads the plan, which lies under the destination, in its own account and region alone';

/** True of an endpoint of Amazon S3, interface endpoints of a VPC included. */
function isOfAws(url: string): boolean {
  return /\.(amazonaws\.com(\.cn)?|api\.aws)$/.test(new URL(url).hostname);
}
