import { describe, expectTypeOf, it } from 'vitest';
import type { Engine, EngineProps, RollupSettings } from '../../lambda/settings/input.ts';
import type { SettingInput, SettingName, Settings, StackSettingName } from '../../lambda/settings/table.ts';

type Given<Name extends SettingName> = { readonly [One in Name]?: SettingInput<One> | undefined };
type Checked = { readonly [Name in StackSettingName]?: Settings[Name] | undefined };

/** Settings that the stack alone has. */
type StackOnly = Exclude<keyof EngineProps, keyof RollupSettings>;

/** The types are compared by the compiler (`npm run typecheck`). */
describe('the types of settings that the package shows', () => {
  it('are those of the table, for the stack', () => {
    expectTypeOf<keyof EngineProps>().toEqualTypeOf<StackSettingName>();
    expectTypeOf<EngineProps>().toExtend<Given<StackSettingName>>();
    expectTypeOf<Given<StackSettingName>>().toExtend<EngineProps>();
    expectTypeOf<Engine>().toExtend<Checked>();
    expectTypeOf<Checked>().toExtend<Engine>();
  });
  it('are those of the table, for the engine and the command line', () => {
    expectTypeOf<keyof RollupSettings>().toEqualTypeOf<Exclude<SettingName, StackOnly>>();
    expectTypeOf<RollupSettings>().toExtend<Given<keyof RollupSettings>>();
    expectTypeOf<Given<keyof RollupSettings>>().toExtend<RollupSettings>();
  });
});
