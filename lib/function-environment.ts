import { deflateRawSync } from 'node:zlib';
import { ENV, HOUR_TEMPLATE } from '../lambda/names.ts';
import { InvalidConfiguration } from './config/invalid-configuration.ts';
import type { RootedStream } from './log-rollup-props.ts';

/** Bytes of all variables of a function, names and values, that Lambda allows: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html */
const MOST_BYTES = 4_096;
/** Bytes above which the list of streams is compressed. */
const PLAIN_BYTES = 1_024;
/** Bytes of a token's value, at most: an ARN or the URL of a queue, whose names have 80 characters. */
const TOKEN_BYTES = 160;

/** The value of the variable `ENV.streams`, whose form lambda/names.ts describes. */
export function streamsVariable(streams: readonly Pick<RootedStream, 'name' | 'path'>[]): string {
  const list = streams.map(({ name, path }) => (path === `${name}/${HOUR_TEMPLATE}` ? name : [name, path]));
  const json = JSON.stringify(list);
  if (Buffer.byteLength(json) <= PLAIN_BYTES) return json;
  return deflateRawSync(json, { level: 9 }).toString('base64url');
}

/** Throws `InvalidConfiguration` for variables beyond Lambda's limit, which Lambda itself refuses only at deployment. */
export function refuseTooMuchEnvironment(variables: Readonly<Record<string, string>>): void {
  const sizes = Object.entries(variables).map(([name, value]) => ({
    name,
    bytes: Buffer.byteLength(name + value.replaceAll(/\$\{Token\[[^\]]*\]\}/g, 'x'.repeat(TOKEN_BYTES))),
  }));
  const total = sizes.reduce((sum, { bytes }) => sum + bytes, 0);
  if (total <= MOST_BYTES) return;
  const largest = sizes.toSorted((a, b) => b.bytes - a.bytes).slice(0, 3);
  const shown = largest.map(({ name, bytes }) => `${name} ${bytes}`).join(', ');
  throw new InvalidConfiguration('The function cannot be deployed', [
    `environment: its variables come to ${total} bytes, and Lambda takes ${MOST_BYTES}; the largest are ${shown}. ` +
      `${ENV.streams} holds the streams: leave out "source" where it is <name>/${HOUR_TEMPLATE}, give them shorter and more alike templates, or share them out among several stacks; and shorten filters, groupBy and tags`,
  ]);
}
