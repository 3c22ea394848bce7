import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { commands } from '../../bin/commands.ts';
import { createProgram } from '../../bin/program.ts';

const PROJECT = join(import.meta.dirname, '../..');
const PAGES = [
  'README.md',
  ...readdirSync(join(PROJECT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

const read = (page: string): string => readFileSync(join(PROJECT, page), 'utf8');

/** The arguments of every `s3-rollup …` in a text, at the beginning of a line or of a piece of code, split as by a shell. */
function commandLines(text: string): string[][] {
  const whole = text.replaceAll(/\\\n\s*/g, ' ');
  return [...whole.matchAll(/(?:^ *(?:\$ )?|`)s3-rollup ([^\n`]*)/gm)]
    .map(([, line = '']) => split(line))
    .filter(([command = '']) => !/^(<|--)/.test(command));
}

/** Words, quoted ones and plain ones, up to a comment, a pipe or a redirection. */
function split(line: string): string[] {
  const [, typed = ''] = /^((?:'[^']*'|"[^"]*"|[^'"#|>&;]|(?<=\S)#)*)/.exec(line) ?? [];
  return Array.from(typed.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g), ([, a, b, c]) => a ?? b ?? c ?? '');
}

const helpText: string[] = [];
const program = createProgram(commands).configureOutput({ writeOut: (text) => helpText.push(text) });
// Commands parse their arguments, and do nothing.
for (const command of commands) {
  command.configureOutput({ writeOut: (text) => helpText.push(text) }).action(() => undefined);
}

function helpOf(name: string): string {
  helpText.length = 0;
  commands.find((command) => command.name() === name)?.outputHelp();
  return helpText.join('');
}

const documented = [
  ...PAGES.map((page) => [page, commandLines(read(page))] as const),
  ...commands.map((command) => [`${command.name()} --help`, commandLines(helpOf(command.name()))] as const),
].flatMap(([where, all]) => all.map((args) => [where, args.join(' '), args] as const));

describe('a command line in the docs or in the help', () => {
  it('is found more than five times in the runbook', () => {
    expect(documented.filter(([where]) => where === 'docs/runbook.md').length).toBeGreaterThan(5);
  });

  it.each(documented)('is understood, in %s: %s', async (_, __, args) => {
    await program.parseAsync(args, { from: 'user' });
  });

  it.each([
    ['status --stack LogRollup'],
    ['run s3://a/b/ s3://a/c/ s3://a/d/'],
    ['verify s3://a/b/ --deeper'],
  ])('would be refused if it were malformed: %s', async (line) => {
    await expect(program.parseAsync(split(line), { from: 'user' })).rejects.toThrow(/^error: /);
  });
});
