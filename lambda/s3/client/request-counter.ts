import type { S3Client } from '@aws-sdk/client-s3';

/** Requests that were sent, by the classes in which S3 prices them; repeated ones are counted again. */
export interface Requests {
  list: number;
  get: number;
  put: number;
  copy: number;
  delete: number;
  /** How many of them repeated one that had failed. */
  retries: number;
}

type RequestClass = Exclude<keyof Requests, 'retries'>;

export class RequestCounter {
  #counts: Requests = zero();

  count(commandName: string, attempt: number): void {
    this.#counts[classOf(commandName)]++;
    if (attempt > 1) this.#counts.retries++;
  }

  /** A download that was begun again after its body had failed. */
  countRetry(): void {
    this.#counts.retries++;
  }

  /** The counts since the last call. */
  take(): Requests {
    const counts = this.#counts;
    this.#counts = zero();
    return counts;
  }

  /** Counts every request that the client sends, those of its retries too. */
  watch(client: S3Client): void {
    client.middlewareStack.add(
      (next, context) => {
        let attempt = 0;
        return (args) => {
          this.count(String(context['commandName']), ++attempt);
          return next(args);
        };
      },
      // Inside the retries, so that each of them passes.
      { name: 'requestCounter', step: 'finalizeRequest', priority: 'low' },
    );
  }
}

function zero(): Requests {
  return { list: 0, get: 0, put: 0, copy: 0, delete: 0, retries: 0 };
}

// https://aws.amazon.com/s3/pricing/: HEAD is priced as GET; what makes a multipart upload, as PUT.
function classOf(commandName: string): RequestClass {
  if (commandName.startsWith('List')) return 'list';
  if (/^(Get|Head)/.test(commandName)) return 'get';
  if (/Copy/.test(commandName)) return 'copy';
  return /^(Delete|Abort)/.test(commandName) ? 'delete' : 'put';
}
