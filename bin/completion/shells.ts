import type { CompletedCommand, Flag } from './table.ts';

/** Flags of the program itself. */
const PROGRAM_FLAGS = ['--help', '--version'];

/**
 * Completions for bash, zsh and fish, as scripts with all words in them: no process is started for a key that is pressed, and
 * nothing that is typed is evaluated.
 */
export const SHELLS = { bash, zsh, fish } as const;

/** For bash from 3.2 on, which macOS has, without the package bash-completion. */
function bash(program: string, commands: readonly CompletedCommand[]): string {
  const name = `_${program.replaceAll('-', '_')}`;
  const names = commands.map((command) => command.name);
  const flags = new Map(commands.flatMap((command) => command.flags).map((flag) => [flag.long, flag]));
  const values = [...flags.values()].filter(({ value }) => value !== 'none');
  const words = (list: readonly string[]): string =>
    `COMPREPLY=($(compgen -W '${list.join(' ')}' -- "$cur"))`;
  return lines(
    `# ${program} completion bash > ~/.local/share/bash-completion/completions/${program}`,
    `${name}() {`,
    '  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= i',
    '  for ((i = 1; i < COMP_CWORD; i++)); do',
    `    case \${COMP_WORDS[i]} in ${names.join('|')}) command=\${COMP_WORDS[i]}; break ;; esac`,
    '  done',
    '  COMPREPLY=()',
    '  case $prev in',
    ...values.map(({ long, value }) =>
      Array.isArray(value) ? `    ${long}) ${words(value)}; return ;;` : `    ${long}) return ;;`,
    ),
    '  esac',
    '  case $command in',
    `    '') ${words([...names, ...PROGRAM_FLAGS])} ;;`,
    ...commands.map((command) => `    ${command.name}) ${words(command.flags.map(({ long }) => long))} ;;`),
    '  esac',
    '}',
    // Names of files where there is nothing else to say, such as behind --output.
    `complete -o default -F ${name} ${program}`,
  );
}

function zsh(program: string, commands: readonly CompletedCommand[]): string {
  const name = `_${program.replaceAll('-', '_')}`;
  const described = commands.map((command) => quoted(`${command.name}:${command.description}`));
  const ofCommand = (command: CompletedCommand): string[] => [
    `    ${command.name})`,
    `      _arguments ${[...command.flags.map(zshFlag), quoted('*:argument:_files')].join(' ')} ;;`,
  ];
  return lines(
    `#compdef ${program}`,
    `# ${program} completion zsh > "\${fpath[1]}/_${program}"`,
    `${name}() {`,
    '  local -a commands',
    `  commands=(${described.join(' ')})`,
    '  if (( CURRENT == 2 )); then',
    "    _describe 'command' commands",
    '    return',
    '  fi',
    '  local command=$words[2]',
    // _arguments counts from the command on.
    '  (( CURRENT-- )); shift words',
    '  case $command in',
    ...commands.flatMap(ofCommand),
    '  esac',
    '}',
    // Loaded from fpath it is called at once; sourced it is registered.
    `if [[ $funcstack[1] == ${name} || $funcstack[1] == _${program} ]]; then ${name} "$@"; else compdef ${name} ${program}; fi`,
  );
}

function zshFlag({ long, description, value }: Flag): string {
  const text = description.replaceAll(/[[\]:\\]/g, '\\$&');
  const action =
    value === 'none'
      ? ''
      : value === 'file'
        ? ':file:_files'
        : Array.isArray(value)
          ? `:value:(${value.join(' ')})`
          : ':value: ';
  return quoted(`${long}[${text}]${action}`);
}

function fish(program: string, commands: readonly CompletedCommand[]): string {
  const complete = (condition: string, rest: string): string =>
    `complete -c ${program} -n '${condition}' ${rest}`;
  return lines(
    `# ${program} completion fish > ~/.config/fish/completions/${program}.fish`,
    `complete -c ${program} -f`,
    complete('__fish_use_subcommand', '-s V -l version -d version'),
    ...commands.flatMap(({ name, description, flags }) => [
      complete('__fish_use_subcommand', `-a ${name} -d ${quoted(description)}`),
      ...flags.map(({ long, description: text, value }) => {
        const takes =
          value === 'none'
            ? ''
            : value === 'file'
              ? ' -r -F'
              : Array.isArray(value)
                ? ` -x -a '${value.join(' ')}'`
                : ' -x';
        return complete(
          `__fish_seen_subcommand_from ${name}`,
          `-l ${long.slice(2)}${takes} -d ${quoted(text)}`,
        );
      }),
    ]),
  );
}

/** In single quotes, for all three shells: a quote ends the text, is escaped, and begins it again. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function lines(...all: string[]): string {
  return `${all.join('\n')}\n`;
}
