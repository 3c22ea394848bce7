import { whole } from './value-types.ts';
import { group, row } from './row.ts';

/** Settings of how a run bears with the store. */
export const connection = group('Connection:', {
  /**
   * Seconds for which a request whose connection is refused or reset is repeated, once the store has answered a request of the
   * run: a store that is restarted comes back. Before its first answer, such a request is given up after a few seconds. At most
   * 15 minutes, the longest that a function runs.
   *
   * @defaultValue 60
   */
  retryOutageSeconds: row(whole(0, 900), {
    default: 60,
    description:
      'how long connections that are refused or reset are tried again, once the store has answered: a store that restarts comes back',
    value: '<seconds>',
    example: '300',
  }),
});
