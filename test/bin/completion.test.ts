import { execFileSync, spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { commands } from '../../bin/commands.ts';
import { SHELLS } from '../../bin/completion/shells.ts';
import { completionTable } from '../../bin/completion/table.ts';
import { createProgram } from '../../bin/program.ts';

const scripts = (() => {
  const table = completionTable(createProgram(commands).commands);
  return {
    bash: SHELLS.bash('s3-rollup', table),
    zsh: SHELLS.zsh('s3-rollup', table),
    fish: SHELLS.fish('s3-rollup', table),
  };
})();

/** The words that bash offers for the last of those that are typed. */
function offered(typed: string[]): string[] {
  const script = `${scripts.bash}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _s3_rollup; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const output = execFileSync('bash', ['-c', script, 'bash', 's3-rollup', ...typed], { encoding: 'utf8' });
  return output.split('\n').filter((word) => word !== '');
}

describe('completion in bash', () => {
  it.each<[string, string[], string[]]>([
    ['a command', ['ver'], ['verify']],
    ['a flag of the command', ['run', '--target'], ['--target-size']],
    ['a flag behind arguments', ['run', 's3://a/b/', 's3://a/c/', '--cod'], ['--codec']],
    ['no flag of another command', ['plan', '--work'], []],
    ['the words of a setting', ['run', '--codec', ''], ['keep', 'none', 'gzip', 'zstd']],
    ['one of these words', ['run', '--storage-class', 'STANDARD_'], ['STANDARD_IA']],
    ['nothing of its own for a file', ['run', '--config', ''], []],
    ['nothing for any other value', ['run', '--hour', ''], []],
    ['nothing that is typed is run', ['run', '$(echo --codec)'], []],
  ])('offers %s', (_, typed, words) => {
    expect(offered(typed)).toEqual(words);
  });

  it('offers every command', () => {
    const names = createProgram(commands).commands.map((command) => command.name());
    expect(offered([''])).toEqual([...names, '--help', '--version']);
  });
});

describe.each(['bash', 'zsh', 'fish'] as const)('the script for %s', (shell) => {
  const installed = spawnSync(shell, ['--version']).status === 0;

  it.skipIf(!installed)('is understood', () => {
    const { status, stderr } = spawnSync(shell, ['-n'], { input: scripts[shell], encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });

  it('names every command and flag', () => {
    for (const { name, flags } of completionTable(createProgram(commands).commands)) {
      expect(scripts[shell]).toContain(name);
      for (const { long } of flags)
        expect(scripts[shell]).toContain(shell === 'fish' ? `-l ${long.slice(2)} ` : long);
    }
  });
});
