import { setTimeout as delay } from 'node:timers/promises';
import { hasCode } from '../errors.ts';
import type { ObjectAt } from '../rollup/location.ts';
import type { ObjectHead, Store } from '../rollup/store.ts';
import { toRollupError } from './errors.ts';
import { backoff } from './retry.ts';

/** Writes of one object, where S3 says that it is being written by somebody else. */
const ATTEMPTS = 3;
const CONFLICT_DELAY_MS = 200;

export interface Once {
  /** What an earlier run, or the lost first answer to a request, may have left there: then it stays as it is. */
  isOurs: (standing: ObjectHead) => boolean;
  /** `If-None-Match: *`, unless what is there is to be replaced. */
  write: (condition: { IfNoneMatch?: string }) => Promise<ObjectHead>;
}

/**
 * Writes an object that nobody else may have written already. One that is there and ours is left as it is: it may be
 * committed under the ETag that it has. What has the key of these bytes and is something else is of no use to anybody.
 */
export async function writeOnce(store: Store, at: ObjectAt, { isOurs, write }: Once): Promise<ObjectHead> {
  let overwrite = false;
  for (let attempt = 1; ; attempt++) {
    try {
      return await write(overwrite ? {} : { IfNoneMatch: '*' });
    } catch (error) {
      const failed = toRollupError(error, { operation: 'Upload', ...at });
      if (!hasCode(failed, 'NoSuchUpload', 'PreconditionFailed', 'Conflict')) throw failed;
      // Where our own answer was lost, the upload may be no more because it is done.
      const standing = await store.head(at);
      if (standing !== undefined && isOurs(standing)) return standing;
      if (hasCode(failed, 'NoSuchUpload') || attempt === ATTEMPTS) throw failed;
      overwrite = hasCode(failed, 'PreconditionFailed');
      if (!overwrite) await delay(backoff(CONFLICT_DELAY_MS, attempt));
    }
  }
}
