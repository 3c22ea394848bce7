import { type OutputSources, sourcesByOutput } from '../committed/sources-of-output.ts';
import { FirstFailure } from '../../concurrency.ts';
import type { Rollup } from '../model/manifest.ts';
import type { VerifyProblem, VerifyContext } from './report.ts';

/** Sources whose lines are held for outputs that are being checked; those of one output are held in any case. */
const MOST_HELD = 50_000;

/**
 * Checks every output, several at once, in the order in which the index has their sources. On the first failure the other
 * checks are stopped and waited for; then it is thrown.
 *
 * @param check returns the problems of one output
 * @returns the problems of all outputs, in the order of the manifest
 */
export async function checkOutputs(
  { manifest, sources }: Rollup,
  { concurrency, signal }: Pick<VerifyContext, 'concurrency' | 'signal'>,
  check: (output: OutputSources, signal: AbortSignal) => Promise<VerifyProblem[]>,
): Promise<VerifyProblem[]> {
  const problems = new Map<string, Promise<VerifyProblem[]>>();
  const stop = new AbortController();
  const stopped = AbortSignal.any([stop.signal, signal]);
  const failures = new FirstFailure(stop);
  const running = new Set<Promise<unknown>>();
  let held = 0;

  const begin = async (output: OutputSources): Promise<void> => {
    const { key } = output.output;
    const checkedBefore = problems.get(key);
    if (checkedBefore !== undefined) {
      const message = `${key}: the index has its sources in two places.`;
      const problem: VerifyProblem = { code: 'sources-inconsistent', message, output: key };
      problems.set(
        key,
        checkedBefore.then((found) => [...found, problem]),
      );
      return;
    }
    const { length } = output.sources;
    while (running.size >= concurrency || (running.size > 0 && held + length > MOST_HELD))
      await Promise.race(running);
    failures.throwIfFailed();
    held += length;
    const checking = failures.watch(check(output, stopped));
    const ended = checking
      .catch(() => undefined)
      .then(() => {
        held -= length;
        running.delete(ended);
      });
    running.add(ended);
    problems.set(key, checking);
  };

  try {
    for await (const output of sourcesByOutput(manifest.outputs, sources.stored(stopped)))
      await begin(output);
    for (const output of manifest.outputs)
      if (!problems.has(output.key)) await begin({ output, sources: [] });
  } finally {
    await Promise.all(running);
    failures.throwIfAny();
  }
  const inOrder = manifest.outputs.map(({ key }) => problems.get(key) ?? Promise.resolve([]));
  return (await Promise.all(inOrder)).flat();
}
