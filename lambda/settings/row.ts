import type { z } from 'zod';

/** A kind of value: how it is checked, and how text becomes what is checked. */
export interface ValueType<Schema extends z.ZodType = z.ZodType> {
  /**
   * Of the value as the settings file, the context and properties hold it, and of what it makes of that. Its messages
   * begin with `must`.
   */
  schema: Schema;
  /** A flag's, a variable's or `-c`'s text -> what the schema takes. What it cannot read it leaves to the schema to refuse. */
  fromText: (text: string) => unknown;
}

/** A flag that may be given several times: its setting is the list of what every text comes to, in the order typed. */
export interface RepeatedFlag {
  /** Without its dashes: `include`. */
  name: string;
  value: string;
  description: string;
  example: string;
  entry: (text: string) => unknown;
}

/** What there is to say of a setting besides its kind. */
export interface Description<Default = unknown> {
  /** Undefined where the setting is absent unless it is given. */
  default: Default;
  /** For who reads help, README and schema: a phrase without a full stop. */
  description: string;
  /** What stands behind the flag in help, such as `<size>`; none for a switch. */
  value?: string;
  /** A value as text, other than the default; for a switch none is needed. */
  example?: string;
  /** The default in words, where it is not the value as text. */
  defaultText?: string;
  /** Where it means nothing elsewhere. Default: the command line and the stack. */
  only?: 'command line' | 'stack';
  /** In place of one flag of the setting's own name. */
  flags?: readonly RepeatedFlag[];
  /** Whether the manifest tells of it, because it shapes the rollup. Default: never. */
  recorded?: 'always' | 'unless default';
}

export type Row = ValueType & Description & { heading: string };

/** One row of a group: `row(size(…), { default: …, description: … })`. */
export function row<Schema extends z.ZodType, const Told extends Description<z.output<Schema> | undefined>>(
  kind: ValueType<Schema>,
  told: Told,
): ValueType<Schema> & Told {
  return { ...kind, ...told };
}

/** Rows that stand together under one heading of help. */
export function group<Rows extends Record<string, ValueType & Description>>(
  heading: string,
  rows: Rows,
): { [Name in keyof Rows]: Rows[Name] & { heading: string } } {
  const titled = Object.entries(rows).map(([name, given]) => [name, { ...given, heading }]);
  return Object.fromEntries(titled) as { [Name in keyof Rows]: Rows[Name] & { heading: string } };
}
