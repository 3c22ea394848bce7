/**
 * Most streams that one entry stands for. A stream takes three of the 500 resources of a stack at least, so that no stack has room
 * for more: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
 */
const MOST_STREAMS = 166;
const KEY = /^[A-Za-z]\w{0,39}$/;
/** Names of the placeholders of the hour, in lower case. */
const OF_THE_HOUR = ['yyyy', 'mm', 'dd', 'hh'];

/** Values of an entry's own placeholders: `{ region: ['eu-west-1', 'us-east-1'] }`. */
export type Each = Readonly<Record<string, readonly string[]>>;

/** A text of each value that an entry's own placeholders have at once. */
export type Choice = ReadonlyMap<string, string>;

/** What is wrong with `each`, by the path of the value inside it. */
export interface EachProblem {
  path: (string | number)[];
  message: string;
}

/**
 * Checks `each` against the texts that its placeholders are to be filled in.
 *
 * @param texts name and source of the entry
 * @returns the problems; none where `choicesOf` and `fillChoice` can be called
 */
export function eachProblems(each: Each, texts: readonly string[]): EachProblem[] {
  const entries = Object.entries(each);
  const count = entries.reduce((product, [, values]) => product * values.length, 1);
  const problems = entries.flatMap(([key, values]) => keyProblems(key, values, texts));
  if (count > MOST_STREAMS)
    problems.push({
      path: [],
      message: `stands for ${count} streams, and a stack has room for ${MOST_STREAMS} at most: share the values out among several stacks`,
    });
  return problems;
}

function keyProblems(key: string, values: readonly string[], texts: readonly string[]): EachProblem[] {
  const refuse = (message: string, ...path: (string | number)[]): EachProblem => ({
    path: [key, ...path],
    message,
  });
  if (!KEY.test(key))
    return [refuse('must be named by 1 to 40 letters, digits or "_", and begin with a letter')];
  if (OF_THE_HOUR.includes(key.toLowerCase()))
    return [refuse('must be named otherwise: {yyyy}, {MM}, {dd} and {HH} are filled from the hour')];
  const problems: EachProblem[] = [];
  if (values.length === 0) problems.push(refuse('must have at least one value'));
  values.forEach((value, i) => {
    if (values.indexOf(value) < i) problems.push(refuse(`has "${value}" twice`, i));
    if (/[{}]/.test(value)) problems.push(refuse('must have no braces', i));
  });
  const isUsed = texts.some((text) => text.includes(`{${key}}`));
  if (!isUsed) problems.push(refuse(`is not used: put {${key}} into the name and the source`));
  return problems;
}

/** Every combination of the values, the last placeholder's values changing first: one empty choice of no placeholders. */
export function choicesOf(each: Each): Choice[] {
  return Object.entries(each).reduce<Choice[]>(
    (choices, [key, values]) =>
      choices.flatMap((choice) => values.map((value) => new Map([...choice, [`{${key}}`, value]]))),
    [new Map()],
  );
}

/** Fills the placeholders of a choice: `trail-{region}` -> `trail-eu-west-1`. All others stay. */
export function fillChoice(text: string, choice: Choice): string {
  return text.replace(/\{[^{}]*\}/g, (placeholder) => choice.get(placeholder) ?? placeholder);
}
