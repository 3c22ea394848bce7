import { type ErrorCode, RollupError } from '../errors.ts';
import { kindOf } from './kind.ts';
import type { PlannedOutput } from './pack.ts';
import { isArchived } from './plan.ts';

const NAMED = 5;

/** Ends a run before its first download where it could not be finished. Throws `SourceNotJoinable`, `SourceArchived`. */
export function refuseUnreadable(planned: PlannedOutput[]): void {
  const pieces = planned.flatMap((output) => output.pieces);
  refuse(
    'SourceNotJoinable',
    pieces.filter(({ source }) => kindOf(source.key) === undefined).map(({ source }) => source.key),
    'cannot be joined with others of their format. Keep them under a prefix of their own',
  );
  refuse(
    'SourceArchived',
    pieces
      .filter(({ source, from }) => from === undefined && isArchived(source))
      .map(({ source }) => source.key),
    'are archived and cannot be read. Restore them and copy them in place to a storage class that can be',
  );
}

function refuse(code: ErrorCode, keys: string[], why: string): void {
  const [key] = keys;
  if (key === undefined) return;
  const more = keys.length > NAMED ? `, and ${keys.length - NAMED} more` : '';
  throw new RollupError(code, `${keys.slice(0, NAMED).join(', ')}${more} ${why}.`, { key });
}
