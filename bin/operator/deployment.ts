import { formatLocation, parseLocation } from '../../lambda/rollup/index.ts';
import { z } from 'zod';
import { FAN_OUT_OUTPUTS, STACK_OUTPUTS } from '../../lambda/names.ts';
import { type Roots, type Stream, streamUnder } from '../../lambda/invocation/streams.ts';
import { OperatorError } from './operator-error.ts';
import type { Services } from './services.ts';

/** The parts of a deployed stack that commands use, from the stack's outputs. */
export interface Deployment {
  queueUrl: string;
  deadLetterUrl: string;
  functionName: string;
  roots: Roots;
  streams: Stream[];
  /** True if the function takes prefixes of no stream. An earlier release has no such output, and takes them. */
  allowAnyPrefix: boolean;
  /** Undefined without fan-out. */
  stateMachineArn: string | undefined;
}

const streamsSchema = z.array(z.object({ name: z.string(), source: z.string() }));

/** Undefined if no stack was named. Throws `NoSuchStack`, and `NotARollupStack` if an output of it is missing. */
export async function findDeployment(
  services: Pick<Services, 'stackOutputs'>,
  stackName: string | undefined,
): Promise<Deployment | undefined> {
  if (stackName === undefined) return undefined;
  const outputs = await services.stackOutputs(stackName);
  const read = (name: keyof typeof STACK_OUTPUTS): string => {
    const value = outputs[STACK_OUTPUTS[name]];
    if (value !== undefined) return value;
    const message = `Stack ${stackName} has no output ${STACK_OUTPUTS[name]}: it is not a log rollup, or its deployment has not ended.`;
    throw new OperatorError('NotARollupStack', message);
  };
  const found = {
    queueUrl: read('queueUrl'),
    deadLetterUrl: read('deadLetterQueueUrl'),
    functionName: read('functionName'),
  };
  const rawRoot = parseLocation(read('rawRoot'));
  const roots = { rawRoot, aggregatedRoot: parseLocation(read('aggregatedRoot')) };
  const streams = streamsSchema.parse(JSON.parse(read('streams'))).map(({ name, source }) => {
    return streamUnder(roots, name, source.slice(formatLocation(rawRoot).length));
  });
  const allowAnyPrefix = outputs[STACK_OUTPUTS.allowAnyPrefix] !== 'false';
  const stateMachineArn = outputs[FAN_OUT_OUTPUTS.stateMachineArn];
  return { ...found, roots, streams, allowAnyPrefix, stateMachineArn };
}
