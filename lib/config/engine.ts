import { z } from 'zod';
import { DEFAULT_SETTINGS, ROWS, contradictions, variableOf } from '../../lambda/settings/settings.ts';
import type { Engine, EngineProps } from '../../lambda/settings/input.ts';
import { type Settings, type StackSettingName } from '../../lambda/settings/table.ts';

export type { Engine, EngineProps };

const ROWS_OF_STACK = ROWS.filter(({ only }) => only !== 'command line');
/** Names of the settings that the stack has. */
export const ENGINE_NAMES = ROWS_OF_STACK.map(({ name }) => name as StackSettingName);

/** ARN of a key: a policy cannot name a key by its alias. */
const KEY_ARN = /^arn:[\w-]+:kms:[\w-]+:\d{12}:key\/[\w-]+$/;

/** Schemas of the settings. Text is read like that of a flag. */
export const engineFields = Object.fromEntries<unknown>(
  ROWS_OF_STACK.map(({ name, schema, fromText }) => {
    const read = (given: unknown) => (typeof given === 'string' ? fromText(given) : given);
    return [name, z.preprocess(read, schema).optional()];
  }),
) as { [Name in StackSettingName]: z.ZodOptional<z.ZodType<Settings[Name]>> };

/** Schema of `EngineProps`. */
export const engineSchema = z.strictObject(engineFields).superRefine(refuseContradictions);

/** Adds issues for settings that are sound each by itself, but contradict each other. */
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

/** The settings of a run among the values of a context. */
export function pickEngine(settings: Engine): Engine {
  return Object.fromEntries(ENGINE_NAMES.map((name) => [name, settings[name]]));
}

/** The function's variables: of the given settings only, so that the function keeps its own defaults for the others. */
export function engineEnvironment(engine: Engine): Record<string, string> {
  const given = Object.entries(engine).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    given.map(([name, value]) => [
      variableOf(name as StackSettingName),
      typeof value === 'object' ? JSON.stringify(value) : String(value),
    ]),
  );
}

/** Schema of a whole number, both limits included. */
export function wholeNumber(least: number, most: number) {
  const message = `must be a whole number from ${least} to ${most}`;
  return z.int(message).min(least, message).max(most, message);
}
