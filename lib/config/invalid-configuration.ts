import type { z } from 'zod';

/** Every problem of a configuration at once, one line a value. */
export class InvalidConfiguration extends Error {
  override readonly name = 'InvalidConfiguration';
  readonly problems: readonly string[];

  /** @param what the first line, without its colon: `Invalid context` */
  constructor(what: string, problems: readonly string[]) {
    super([`${what}:`, ...problems.map((problem) => `  ${problem}`)].join('\n'));
    this.problems = problems;
  }
}

/** zod's issues as lines: `streams[1].minute: must be a whole number from 0 to 59`. */
export function formatIssues(issues: readonly z.core.$ZodIssue[], prefix: PropertyKey[] = []): string[] {
  return issues.flatMap((issue) => {
    const path = [...prefix, ...issue.path];
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => `${formatPath([...path, key])}: there is no such setting`);
    }
    return `${formatPath(path)}: ${issue.message}`;
  });
}

/** `['streams', 1, 'name']` -> `streams[1].name`. */
function formatPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    return text === '' ? String(step) : `${text}.${String(step)}`;
  }, '');
}
