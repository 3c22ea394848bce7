import { z } from 'zod';
import { DEFAULT_SETTINGS, ROWS, contradictions, variableOf } from '../../lambda/settings/settings.ts';
import { type SettingInput, type Settings, type StackSettingName } from '../../lambda/settings/table.ts';

/** Settings of a run that are handed to the function (lambda/settings/settings.ts). Default: the function's own. */
export type EngineProps = {
  readonly [Name in StackSettingName]?: SettingInput<Name> | undefined;
};

/** What was given of them, checked. */
export type Engine = { readonly [Name in StackSettingName]?: Settings[Name] | undefined };

const ROWS_OF_STACK = ROWS.filter(({ only }) => only !== 'command line');
export const ENGINE_NAMES = ROWS_OF_STACK.map(({ name }) => name as StackSettingName);

/** Of a key itself: a policy cannot name what an alias will stand for. */
const KEY_ARN = /^arn:[\w-]+:kms:[\w-]+:\d{12}:key\/[\w-]+$/;

/** Text is read as a flag is. */
export const engineFields = Object.fromEntries<unknown>(
  ROWS_OF_STACK.map(({ name, schema, fromText }) => {
    const read = (given: unknown) => (typeof given === 'string' ? fromText(given) : given);
    return [name, z.preprocess(read, schema).optional()];
  }),
) as { [Name in StackSettingName]: z.ZodOptional<z.ZodType<Settings[Name]>> };

export const engineSchema = z.strictObject(engineFields).superRefine(refuseContradictions);

/** Settings that are sound, each by itself, but do not go together. */
export function refuseContradictions(engine: Engine, context: z.core.$RefinementCtx): void {
  const given = Object.entries(pickEngine(engine)).filter(([, value]) => value !== undefined);
  const settings = { ...DEFAULT_SETTINGS, ...Object.fromEntries(given) };
  for (const { setting, message } of contradictions(settings))
    context.addIssue({ code: 'custom', path: [setting], message });
  if (engine.kmsKeyId !== undefined && !KEY_ARN.test(engine.kmsKeyId)) {
    const message = 'must be the ARN of a KMS key: the function is given permission to use exactly that one';
    context.addIssue({ code: 'custom', path: ['kmsKeyId'], message });
  }
}

/** Out of all that a context holds. */
export function pickEngine(settings: Engine): Engine {
  return Object.fromEntries(ENGINE_NAMES.map((name) => [name, settings[name]]));
}

/** The function's environment: only what was given, so that every other default stays the function's own. */
export function engineEnvironment(engine: Engine): Record<string, string> {
  const given = Object.entries(engine).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    given.map(([name, value]) => [
      variableOf(name as StackSettingName),
      typeof value === 'object' ? JSON.stringify(value) : String(value),
    ]),
  );
}

export function wholeNumber(least: number, most: number) {
  const message = `must be a whole number from ${least} to ${most}`;
  return z.int(message).min(least, message).max(most, message);
}
