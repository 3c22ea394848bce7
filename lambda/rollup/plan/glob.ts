type Matcher = (character: string) => boolean;
type Step = Matcher | 'any number';

/**
 * A matcher for a glob, with the rules of `aws s3` (Python's fnmatch): `*` matches any number of characters and `?` any one,
 * slashes too; `[seq]` matches one that is in the set, `[!seq]` one that is not. Case matters. A glob matches whole texts.
 */
export function parseGlob(glob: string): (text: string) => boolean {
  const count = countingGlob(glob);
  return (text) => count(text).matches;
}

/**
 * The same, with the number of comparisons that a match takes: at most the length of the text times that of the longest
 * piece between two `*`.
 */
export function countingGlob(glob: string): (text: string) => { matches: boolean; comparisons: number } {
  const steps = stepsOf(Array.from(glob));
  return (text) => match(steps, Array.from(text));
}

function stepsOf(glob: string[]): Step[] {
  const steps: Step[] = [];
  for (let at = 0; at < glob.length; at++) {
    const character = glob[at] ?? '';
    const end = character === '[' ? endOfSet(glob, at) : -1;
    if (character === '*') steps.push('any number');
    else if (character === '?') steps.push(() => true);
    else if (end > 0) {
      steps.push(setOf(glob.slice(at + 1, end)));
      at = end;
    } else steps.push((other) => other === character);
  }
  return steps;
}

/**
 * The position of the `]` that ends a set; a `]` right at its beginning belongs to the set. Without an end it is -1, and the
 * bracket stands for itself.
 */
function endOfSet(glob: string[], start: number): number {
  const first = glob[start + 1] === '!' ? start + 2 : start + 1;
  return glob.indexOf(']', first + 1);
}

function setOf(members: string[]): Matcher {
  const negated = members[0] === '!';
  const ranges: [from: number, to: number][] = [];
  for (let at = negated ? 1 : 0; at < members.length; at++) {
    const from = codeOf(members[at]);
    const isRange = members[at + 1] === '-' && at + 2 < members.length;
    ranges.push([from, isRange ? codeOf(members[at + 2]) : from]);
    if (isRange) at += 2;
  }
  return (character) => {
    const code = codeOf(character);
    return negated !== ranges.some(([from, to]) => code >= from && code <= to);
  };
}

function codeOf(character = ''): number {
  return character.codePointAt(0) ?? -1;
}

/** On a mismatch, only the last `*` takes in one more character: going back to an earlier one could match no more texts. */
function match(steps: Step[], text: string[]): { matches: boolean; comparisons: number } {
  let step = 0;
  let at = 0;
  let comparisons = 0;
  let retry: { step: number; at: number } | undefined;
  while (at < text.length) {
    const current = steps[step];
    comparisons++;
    if (current === 'any number') {
      retry = { step: ++step, at };
    } else if (current?.(text[at] ?? '') === true) {
      step++;
      at++;
    } else if (retry === undefined) {
      return { matches: false, comparisons };
    } else {
      retry.at++;
      ({ step, at } = retry);
    }
  }
  return { matches: steps.slice(step).every((left) => left === 'any number'), comparisons };
}
