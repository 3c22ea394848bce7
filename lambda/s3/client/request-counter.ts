import type { S3Client } from '@aws-sdk/client-s3';

/** The number of requests that were sent, by the classes in which S3 prices them. A retry is counted as a request too. */
export interface Requests {
  list: number;
  get: number;
  put: number;
  copy: number;
  delete: number;
  /** The number of requests that repeated a failed one. */
  retries: number;
}

type RequestClass = Exclude<keyof Requests, 'retries'>;

/** Counts requests to S3. */
export class RequestCounter {
  #counts: Requests = zero();

  /**
   * Counts one request.
   *
   * @param commandName of the SDK: `GetObjectCommand`, or the operation's own name
   * @param attempt 1 for the first
   */
  count(commandName: string, attempt: number): void {
    this.#counts[classOf(commandName)]++;
    if (attempt > 1) this.#counts.retries++;
  }

  /** Counts a retry whose request is counted by itself: a download that is repeated because its body failed. */
  countRetry(): void {
    this.#counts.retries++;
  }

  /** The counts since the last call of `take`. */
  get counts(): Requests {
    return { ...this.#counts };
  }

  /** Returns the counts since the last call. */
  take(): Requests {
    const counts = this.#counts;
    this.#counts = zero();
    return counts;
  }

  /** Counts every request that a client sends from now on, retries included. */
  watch(client: S3Client): void {
    client.middlewareStack.add(
      (next, context) => {
        let attempt = 0;
        return (args) => {
          this.count(String(context['commandName']), ++attempt);
          return next(args);
        };
      },
      // Behind the retry middleware, so that each retry is counted.
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
