import { CommanderError } from 'commander';
import { RollupError, hasCode } from '../../lambda/errors.ts';
import { printable } from '../../lambda/printable.ts';
import { EXIT } from './exit-code.ts';
import { Interrupted } from '../interrupt.ts';
import { OperatorError } from '../operator/operator-error.ts';
import { UnwritableFile } from './output-file.ts';
import { formatJson, formatLines } from './output.ts';

interface Failure {
  code: string;
  message: string;
  key?: string;
}

/** True for the error with which commander ends after it has printed help that was asked for. */
export function isHelp(error: unknown): boolean {
  return error instanceof CommanderError && error.exitCode === 0;
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return error.exitCode;
  return error instanceof CommanderError || hasCode(error, 'InvalidArgument') ? EXIT.usage : EXIT.failed;
}

/**
 * An error for stderr: `error: … (Code)`, or with `--json` as `{"error":{"code","message","key"?}}`.
 * The stack is added if `DEBUG` or `NODE_DEBUG` is set.
 */
export function formatFailure(error: unknown, { json }: { json: boolean }): string {
  const failure = describe(error);
  if (json) return formatJson({ error: failure });
  const stack = isDebugging() && error instanceof Error ? stackOf(error) : [];
  const hint = exitCodeOf(error) === EXIT.usage ? ['(--help shows the options)'] : [];
  return formatLines([`error: ${failure.message} (${failure.code})`, ...hint, ...stack]);
}

/** True if `DEBUG` or `NODE_DEBUG` is set. */
export function isDebugging(): boolean {
  return (process.env['DEBUG'] ?? process.env['NODE_DEBUG'] ?? '') !== '';
}

/** The lines of a stack. Its message, which may hold any name, is made printable first, and so stays one line. */
function stackOf({ stack = '', message }: Error): string[] {
  return stack.replace(message, () => printable(message)).split('\n');
}

function describe(error: unknown): Failure {
  if (error instanceof RollupError) return error.toJSON();
  if (error instanceof OperatorError || error instanceof UnwritableFile)
    return { code: error.code, message: error.message };
  if (error instanceof Interrupted) return { code: 'Aborted', message: error.message };
  if (error instanceof CommanderError) {
    // Without a command, commander prints its help to stderr and ends with this.
    if (error.code === 'commander.help') return { code: 'InvalidArgument', message: 'A command is missing.' };
    return { code: 'InvalidArgument', message: sentence(error.message.replace(/^error: /, '')) };
  }
  return { code: 'Unexpected', message: error instanceof Error ? error.message : String(error) };
}

/** `unknown option '--x'\n(Did you mean --y?)` -> `Unknown option '--x'. (Did you mean --y?)` */
function sentence(text: string): string {
  const [first = '', ...rest] = text.split('\n');
  const end = /[.?!]$/.test(first) ? '' : '.';
  return [first.charAt(0).toUpperCase() + first.slice(1) + end, ...rest].join(' ');
}
