import { readFileSync } from 'node:fs';
import { Command } from '@commander-js/extra-typings';
import { describe, expect, it } from 'vitest';
import {
  SETTING_FLAGS,
  addSettingOptions,
  flagOf,
  typedSettings,
} from '../../../bin/options/setting-options.ts';
import { checkValues } from '../../../lambda/settings/settings.ts';

const PAGE = readFileSync(new URL('../../../docs/command-line.md', import.meta.url), 'utf8');

/** The cells of a line of a Markdown table, without the blanks that align them. */
function cells(line: string): string[] {
  return line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll('\\|', '|'));
}

describe('a setting that can be typed', () => {
  const [, table = ''] = /^\| option [^\n]*\n((?:\|[^\n]*\n)*)/m.exec(PAGE) ?? [];
  const rows = new Map(
    table
      .trimEnd()
      .split('\n')
      .map((line) => [cells(line)[0], line] as const),
  );

  it.each(SETTING_FLAGS.map((flag) => [flag.example, flag] as const))(
    'is in the table of docs/command-line.md: %s',
    (example, { default: byDefault, description }) => {
      const line = rows.get(`\`${example}\``) ?? '';
      expect(cells(line)).toEqual([`\`${example}\``, byDefault, description]);
    },
  );

  it.each(SETTING_FLAGS.map((flag) => [flag.example, flag] as const))(
    'has an example that is taken: %s',
    (example, { setting }) => {
      const command = new Command().exitOverride();
      addSettingOptions(command);
      const [flag = '', ...value] = example.split(' ');
      command.parse([flag, ...value.map((text) => text.replace(/^'(.*)'$/, '$1'))], { from: 'user' });
      const raw = typedSettings(command.opts());
      expect(raw[setting]).toBeDefined();
      expect(checkValues(raw).problems).toEqual([]);
      expect(flagOf(setting, [flag.slice(2)])).toBe(flag);
    },
  );
});
