import type { Assembled, PlannedOutput } from '../model/output.ts';
import type { Assembler } from './assemble.ts';

/**
 * The write step: brings planned outputs about, in their order. Once there is no time to begin another, no more are
 * taken from the plan; what could not be done is undefined.
 */
export async function* writeOutputs(
  planned: AsyncIterable<PlannedOutput>,
  assembler: Assembler,
  hasTime: () => boolean,
): AsyncGenerator<Assembled | undefined> {
  let left = false;
  async function* whileThereIsTime(): AsyncGenerator<PlannedOutput> {
    for await (const output of planned) {
      left ||= !hasTime();
      if (left) return;
      yield output;
    }
  }
  yield* assembler.assemble(whileThereIsTime());
  if (left as boolean) yield undefined;
}
