import { z } from 'zod';
import { formatSize, parseSize } from '../size.ts';
import type { ValueType } from './row.ts';

const SIZE = /^\s*\d+(\.\d+)?\s*(B|[KMG](i?B)?)?\s*$/;

/**
 * A number of bytes, or text such as `32MiB`.
 *
 * @param why the origin of `min`, for the message
 */
export function size(min: number, max: number, why: string) {
  const message = `must be a size from ${formatSize(min)} (${why}) to ${formatSize(max)}, such as 32MiB`;
  const bytes = z.int(message).min(min, message).max(max, message);
  const text = z
    .string()
    .regex(SIZE, message)
    .transform((written) => parseSize(written) ?? NaN)
    .pipe(bytes);
  return { schema: z.union([bytes, text], message), fromText: (written: string) => written };
}

/** A whole number, both limits included. `range` says them in other words. */
export function whole(min: number, max: number, range = `from ${min} to ${max}`) {
  const message = `must be a whole number ${range}`;
  return {
    schema: z.int(message).min(min, message).max(max, message),
    fromText: (text: string) => (/^\d+$/.test(text) ? Number(text) : text),
  };
}

/** One of several words. */
export function choice<const Values extends readonly [string, ...string[]]>(values: Values) {
  return {
    schema: z.enum(values, `must be ${values.join(' or ')}`),
    fromText: (text: string) => text,
  };
}

/** True or false; a switch on the command line. */
export function toggle() {
  return {
    schema: z.boolean('must be true or false'),
    fromText: (text: string) => (text === 'true' || text === 'false' ? text === 'true' : text),
  };
}

/** Text that the given schema checks. */
export function text<Schema extends z.ZodType>(schema: Schema): ValueType<Schema> {
  return { schema, fromText: (written) => written };
}

/** A list or an object that the given schema checks; JSON in a variable or behind `-c`. */
export function json<Schema extends z.ZodType>(schema: Schema): ValueType<Schema> {
  return {
    schema,
    fromText: (written) => {
      try {
        return JSON.parse(written) as unknown;
      } catch {
        return written;
      }
    },
  };
}
