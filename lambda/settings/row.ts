import type { z } from 'zod';

/** The type of a setting's value: a schema that checks it, and a parser of text. */
export interface ValueType<Schema extends z.ZodType = z.ZodType> {
  /**
   * Takes the value as the settings file, the context and properties hold it, and returns the setting. Its messages begin with
   * `must`.
   */
  schema: Schema;
  /**
   * Turns the text of a flag, a variable or `-c` into a value for the schema. Text that it cannot read is returned as it is, and
   * the schema refuses it.
   */
  fromText: (text: string) => unknown;
}

/** A flag that may be given several times. Its setting is the list of their entries, in the order typed. */
export interface RepeatedFlag {
  /** Without its dashes: `include`. */
  name: string;
  /** Placeholder of the value in help: `<glob>`. */
  value: string;
  description: string;
  example: string;
  /** Turns the text of one flag into an entry of the list. */
  entry: (text: string) => unknown;
}

/** The fields of a setting besides its type. */
export interface Description<Default = unknown> {
  /** Undefined for a setting that is absent unless it is given. */
  default: Default;
  /** Text of the help, the documentation and the schema: a phrase without a full stop. */
  description: string;
  /** Placeholder of the value in help, such as `<size>`; undefined for a switch. */
  value?: string;
  /** A value as text, other than the default; undefined for a switch. */
  example?: string;
  /**
   * The default in words.
   *
   * @defaultValue `default` as text
   */
  defaultText?: string;
  /**
   * Restricts the setting to the command line or to the stack.
   *
   * @defaultValue the command line and the stack have it
   */
  only?: 'command line' | 'stack';
  /** Flags that set it, in place of one flag of the setting's own name. */
  flags?: readonly RepeatedFlag[];
  /**
   * Records the setting in the manifest, because it shapes the rollup.
   *
   * @defaultValue the manifest does not have it
   */
  recorded?: 'always' | 'unless default';
}

/** A row of the table of settings. `heading`: that of its group in help. */
export type Row = ValueType & Description & { heading: string };

/**
 * Makes one row of a group.
 *
 * @example
 * row(size(SMALLEST_PART, GiB, WHY), { default: 32 * MiB, description: 'size of an S3 multipart part', value: '<size>' })
 */
export function row<
  Schema extends z.ZodType,
  const Described extends Description<z.output<Schema> | undefined>,
>(type: ValueType<Schema>, description: Described): ValueType<Schema> & Described {
  return { ...type, ...description };
}

/** Puts rows under one heading of help. */
export function group<Rows extends Record<string, ValueType & Description>>(
  heading: string,
  rows: Rows,
): { [Name in keyof Rows]: Rows[Name] & { heading: string } } {
  const titled = Object.entries(rows).map(([name, given]) => [name, { ...given, heading }]);
  return Object.fromEntries(titled) as { [Name in keyof Rows]: Rows[Name] & { heading: string } };
}
