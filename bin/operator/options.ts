import { Command } from '@commander-js/extra-typings';
import { RollupError } from '../../lambda/errors.ts';
import { parseEndpoint, parseRegion } from '../options/options.ts';
import type { Services } from './services.ts';

/** A command for a deployed stack, with the options that all of these share. */
export function operatorCommand(name: string, description: string) {
  return (
    new Command(name)
      .description(description)
      .optionsGroup('Options:')
      .option('--json', 'the result as one JSON object on stdout, an error as one on stderr')
      .option('--no-progress', 'no progress on stderr')
      .optionsGroup('Deployment:')
      .option('--stack <name>', 'find what the command needs by the outputs of this stack')
      .optionsGroup('Connection:')
      .option(
        '--endpoint-url <url>',
        'endpoint of every service; otherwise AWS_ENDPOINT_URL_SQS and the like',
      )
      .option('--region <region>', "region; otherwise AWS_REGION, or the profile's")
      // Options that a command adds belong to the first group of help.
      .optionsGroup('Options:')
  );
}

export type OperatorOptions = ReturnType<ReturnType<typeof operatorCommand>['opts']>;

/** Throws `InvalidArgument` if none of these flags was typed. */
export function requireOneOf(flags: Record<string, unknown>): void {
  if (Object.values(flags).some((value) => value !== undefined)) return;
  throw new RollupError('InvalidArgument', `Give ${Object.keys(flags).join(' or ')}.`);
}

/** The value of a flag as a whole number. Throws `InvalidArgument` if it is none, or below `least`. */
export function parseWhole(flag: string, text: string, least: number): number {
  if (/^\d{1,9}$/.test(text) && Number(text) >= least) return Number(text);
  throw new RollupError('InvalidArgument', `${flag} must be a whole number from ${least}, not "${text}".`);
}

/** Throws `InvalidArgument` if `--endpoint-url` is no URL, or the region cannot be one. */
export function refuseBadEndpoint({ endpointUrl, region }: OperatorOptions): void {
  if (endpointUrl !== undefined) parseEndpoint(endpointUrl);
  parseRegion(region);
}

/** Runs work with AWS clients and closes them. The SDK, which takes long to load, is loaded only here. */
export async function withServices<T>(
  options: OperatorOptions,
  use: (services: Services) => Promise<T>,
): Promise<T> {
  refuseBadEndpoint(options);
  const { region, endpointUrl } = options;
  const { openServices } = await import('./aws.ts');
  const services = openServices({ region, endpointUrl });
  try {
    return await use(services);
  } finally {
    services.close();
  }
}
