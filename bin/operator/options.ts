import { Command } from '@commander-js/extra-typings';
import { RollupError } from '../../lambda/errors.ts';
import { parseEndpoint } from '../options/options.ts';
import type { Services } from './services.ts';

/** A command over what is deployed. */
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
      // What a command adds goes with the first.
      .optionsGroup('Options:')
  );
}

export type OperatorOptions = ReturnType<ReturnType<typeof operatorCommand>['opts']>;

/** Throws `InvalidArgument` where none of these was typed. */
export function requireOneOf(flags: Record<string, unknown>): void {
  if (Object.values(flags).some((value) => value !== undefined)) return;
  throw new RollupError('InvalidArgument', `Give ${Object.keys(flags).join(' or ')}.`);
}

/** `--name`'s value. Throws `InvalidArgument` where it is no whole number from `least` on. */
export function parseWhole(flag: string, text: string, least: number): number {
  if (/^\d{1,9}$/.test(text) && Number(text) >= least) return Number(text);
  throw new RollupError('InvalidArgument', `${flag} must be a whole number from ${least}, not "${text}".`);
}

/** Throws `InvalidArgument`. */
export function refuseBadEndpoint({ endpointUrl }: OperatorOptions): void {
  if (endpointUrl !== undefined) parseEndpoint(endpointUrl);
}

/** Runs with AWS clients, and ends them. Loads the SDK, which takes longer than all else, only then. */
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
