import { RollupError } from '../lambda/errors.ts';
import { type VerifyReport, extract as extractOne, verify as verifyRollup } from '../lambda/rollup/index.ts';
import { type EngineOptions, connected, open, parse } from './request.ts';

/** Downloads in flight, where the settings do not say. */
const CONCURRENCY = 16;
/** Downloads in flight for one output under comparison: the output itself, and one source after another. */
const STREAMS = 2;

/** Options of `verify`. */
export interface VerifyOptions extends EngineOptions {
  /** Prefix of a rollup: `s3://bucket/prefix/`. */
  readonly destination: string;
  /**
   * Read and compare every byte of both sides, and not only what the listings say.
   *
   * @defaultValue false
   */
  readonly deep?: boolean | undefined;
}

/**
 * Compares a rollup with what is stored, as `s3-rollup verify` does.
 *
 * @returns a report: its `status` is `ok`, or `mismatch` with `problems`
 * @throws RollupError `NoManifest` where nothing is committed, and those of S3
 */
export async function verify(options: VerifyOptions): Promise<VerifyReport> {
  const settings = { ...options.settings, concurrency: options.settings?.concurrency ?? CONCURRENCY };
  return connected({ ...options, settings }, ({ store, raw }, { settings, destination, signal }) => {
    const concurrency = Math.max(1, Math.floor(settings.concurrency / STREAMS));
    const progress = (): void => undefined;
    const deep = options.deep ?? false;
    return verifyRollup(destination(options.destination), {
      store,
      raw,
      deep,
      concurrency,
      progress,
      signal,
    });
  });
}

/** Options of `extract`. */
export interface ExtractOptions extends EngineOptions {
  /** Prefix of a rollup: `s3://bucket/prefix/`. */
  readonly destination: string;
  /** Key of the source: whole, behind the last slash of the source prefix, or as an `s3://` URI. */
  readonly key: string;
}

/**
 * Reads one original object from the rollup that holds it, whether or not it is still in raw.
 *
 * @example
 * await pipeline(extract({ destination, key: 'i-0a1b/app-000123.log' }), createWriteStream('app.log'));
 * @returns its bytes, in order
 * @throws RollupError with the first bytes: `NoManifest` where nothing is committed, `NotInRollup` for a key that is not there
 */
export async function* extract(options: ExtractOptions): AsyncGenerator<Uint8Array, void, undefined> {
  const parsed = parse(options);
  const connection = open(options, parsed);
  try {
    const destination = parsed.destination(options.destination);
    const { bytes } = await extractOne(connection.store, destination, options.key);
    for await (const chunk of bytes) {
      if (parsed.signal.aborted) throw new RollupError('Aborted', 'The extraction was stopped.');
      yield chunk;
    }
  } finally {
    connection.close();
  }
}
