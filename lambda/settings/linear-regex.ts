import { type AST, RegExpParser } from '@eslint-community/regexpp';
import { RE2JS } from 're2js';
import {
  ANY,
  DIGITS,
  LINE_ENDS,
  type Ranges,
  SPACES,
  WORD,
  complementOf,
  formatSet,
  propertyRanges,
} from './character-sets.ts';

/** Returns the captures of an expression in a text, undefined for a group that took no part; undefined without a match. */
export type Match = (text: string) => (string | undefined)[] | undefined;

/** The largest count of a repetition in RE2. */
const MOST_REPEATS = 1000;

/** A part of an expression that cannot be matched in linear time, or not as JavaScript matches it. */
class Unsupported extends Error {}

/** Flags in force at one place of an expression. */
interface Context {
  ignoreCase: boolean;
  dotAll: boolean;
  /** Only in a widened expression. */
  multiline: boolean;
  /** A construct that RE2 lacks becomes one that matches more, and nothing is refused. */
  widened: boolean;
}

const NO_FLAGS = { ignoreCase: false, dotAll: false, multiline: false };

/**
 * Compiles an expression of JavaScript, with its `u` flag, for RE2. It matches and captures the same as `RegExp`, in time
 * linear in any text.
 *
 * @throws for an expression of which `problemOf` returns a problem
 */
export function compileRegex(source: string): Match {
  return compileWith(source, NO_FLAGS);
}

/** The same, but `.` matches line breaks too. */
export function compileAcrossLines(source: string): Match {
  return compileWith(source, { ...NO_FLAGS, dotAll: true });
}

function compileWith(source: string, flags: typeof NO_FLAGS): Match {
  const regex = RE2JS.compile(translate(source, { ...flags, widened: false }));
  return (text) => regex.exec(text)?.slice(1);
}

/**
 * Compiles an expression into a test that is true for every text that it matches, in linear time. Where RE2 lacks a
 * construct, it is true for more: a look-around always holds, and a back reference is any text.
 */
export function compileWidened(source: string): (text: string) => boolean {
  try {
    const regex = RE2JS.compile(translate(source, { ...NO_FLAGS, widened: true }));
    return (text) => regex.test(text);
  } catch {
    return () => true;
  }
}

/** Returns the reason why an expression cannot be `groupBy`, beginning with `must`; undefined if it can. */
export function problemOf(source: string): string | undefined {
  if (!isRegex(source)) return 'must be a regular expression of JavaScript';
  if (capturesOf(source) === 0) return "must have a capture group, such as '^([^/]+)/'";
  try {
    compileRegex(source);
    return undefined;
  } catch (error) {
    if (error instanceof Unsupported) return error.message;
    // RE2 bounds the product of nested repetitions: no other reason is left.
    return 'must be smaller: repetitions within repetitions come to too much. Use * or + in place of large counts';
  }
}

/** True for an expression of JavaScript with the flag `u`. */
export function isRegex(source: string): boolean {
  try {
    return RegExp(source, 'u') instanceof RegExp;
  } catch {
    return false;
  }
}

/** The number of capture groups of an expression. */
export function capturesOf(source: string): number {
  return (RegExp(`${source}|`, 'u').exec('')?.length ?? 1) - 1;
}

function translate(source: string, context: Context): string {
  const pattern = new RegExpParser().parsePattern(source, 0, source.length, { unicode: true });
  return alternativesOf(pattern, context);
}

function alternativesOf({ alternatives }: { alternatives: AST.Alternative[] }, context: Context): string {
  return alternatives
    .map(({ elements }) => elements.map((element) => elementOf(element, context)).join(''))
    .join('|');
}

function elementOf(node: AST.Element, context: Context): string {
  const { ignoreCase, widened } = context;
  switch (node.type) {
    case 'Character':
      return atom(formatSet([[node.value, node.value]]), ignoreCase);
    case 'CharacterSet':
      return atom(formatSet(rangesOf(node, context)), ignoreCase);
    case 'CharacterClass':
      return atom(classOf(node, context), ignoreCase);
    case 'CapturingGroup':
      return `(${alternativesOf(node, context)})`;
    case 'Group':
      return `(?:${alternativesOf(node, within(node, context))})`;
    case 'Quantifier':
      return quantifierOf(node, context);
    case 'Assertion':
      return assertionOf(node, context);
    case 'Backreference':
      if (widened) return `${formatSet(ANY)}*`;
      throw unsupported('a back reference', node, 'Name what may stand there');
    case 'ExpressionCharacterClass':
      throw unsupported('a set of the flag v', node, 'Write it otherwise');
  }
}

/** An expression for one character of a set. */
function atom(set: string, ignoreCase: boolean): string {
  return ignoreCase ? `(?i:${set})` : set;
}

/** The flags inside a group such as `(?i:…)`. */
function within({ modifiers }: AST.Group, context: Context): Context {
  if (modifiers === null) return context;
  const { add, remove } = modifiers;
  if (add.multiline && !context.widened)
    throw unsupported('the flag m', modifiers, 'Keys are one line: leave it out');
  const isOn = (flag: 'ignoreCase' | 'dotAll' | 'multiline'): boolean =>
    (context[flag] || add[flag]) && remove?.[flag] !== true;
  return {
    ...context,
    ignoreCase: isOn('ignoreCase'),
    dotAll: isOn('dotAll'),
    multiline: isOn('multiline'),
  };
}

function assertionOf(node: AST.Assertion, { ignoreCase, multiline, widened }: Context): string {
  switch (node.kind) {
    case 'start':
      return multiline ? '(?:)' : '\\A';
    case 'end':
      return multiline ? '(?:)' : '\\z';
    case 'word':
      if (!ignoreCase) return node.negate ? '\\B' : '\\b';
      if (widened) return '(?:)';
      throw unsupported('a word boundary under the flag i', node, 'Name what stands there');
    case 'lookahead':
    case 'lookbehind': {
      if (widened) return '(?:)';
      const kind = node.kind === 'lookahead' ? 'a look-ahead' : 'a look-behind';
      throw unsupported(kind, node, 'Say what is to match, and leave other sources out with --exclude');
    }
  }
}

function quantifierOf(node: AST.Quantifier, context: Context): string {
  const { element, min, max, greedy } = node;
  const repeated = elementOf(element, context);
  const isLarge = min > MOST_REPEATS || (max !== Infinity && max > MOST_REPEATS);
  if (context.widened && isLarge) return `${repeated}*`;
  if (!context.widened) {
    if (isLarge) throw unsupported(`a repetition above ${MOST_REPEATS}`, node, 'Use * or +');
    // JavaScript backtracks where one repetition is empty, and forgets its captures. RE2 does neither.
    if (max > min && mayBeEmpty(element))
      throw unsupported('a repetition of what may be empty', node, 'Repeat what is never empty');
    if (max > 1 && !isTaken(element))
      throw unsupported(
        'a repetition that may pass over a capture group',
        node,
        'Use (?:…) in it, and capture around it',
      );
  }
  return `${repeated}{${min},${max === Infinity ? '' : max}}${greedy ? '' : '?'}`;
}

/** True where an element may match nothing. */
function mayBeEmpty(node: AST.Element): boolean {
  switch (node.type) {
    case 'Assertion':
    case 'Backreference':
      return true;
    case 'CapturingGroup':
    case 'Group':
      return node.alternatives.some(({ elements }) => elements.every(mayBeEmpty));
    case 'Quantifier':
      return node.min === 0 || mayBeEmpty(node.element);
    case 'Character':
    case 'CharacterClass':
    case 'CharacterSet':
    case 'ExpressionCharacterClass':
      return false;
  }
}

/** True where an element that matches has taken every capture group in it. */
function isTaken(node: AST.Element): boolean {
  if (node.type === 'Quantifier') return node.min === 0 ? !hasCapture(node.element) : isTaken(node.element);
  if (node.type !== 'CapturingGroup' && node.type !== 'Group') return true;
  const [first, ...others] = node.alternatives;
  if (others.length === 0) return first?.elements.every(isTaken) ?? true;
  return !node.alternatives.some(({ elements }) => elements.some(hasCapture));
}

function hasCapture(node: AST.Element): boolean {
  if (node.type === 'CapturingGroup') return true;
  if (node.type === 'Quantifier') return hasCapture(node.element);
  return node.type === 'Group' && node.alternatives.some(({ elements }) => elements.some(hasCapture));
}

function classOf(node: AST.CharacterClass, context: Context): string {
  const ranges = node.elements.flatMap((element): Ranges => {
    switch (element.type) {
      case 'Character':
        return [[element.value, element.value]];
      case 'CharacterClassRange':
        return [[element.min.value, element.max.value]];
      case 'CharacterSet':
        return rangesOf(element, context);
      case 'CharacterClass':
      case 'ClassStringDisjunction':
      case 'ExpressionCharacterClass':
        throw unsupported('a set of the flag v', element, 'Write it otherwise');
    }
  });
  return formatSet(ranges, node.negate);
}

function rangesOf(node: AST.CharacterSet, { dotAll, ignoreCase }: Context): Ranges {
  switch (node.kind) {
    case 'any':
      return dotAll ? ANY : complementOf(LINE_ENDS);
    case 'digit':
      return node.negate ? complementOf(DIGITS) : DIGITS;
    case 'space':
      return node.negate ? complementOf(SPACES) : SPACES;
    case 'word': {
      // Under the flag i, the long s and the Kelvin sign are word characters.
      const word: Ranges = ignoreCase ? [...WORD, [0x17f, 0x17f], [0x212a, 0x212a]] : WORD;
      return node.negate ? complementOf(word) : word;
    }
    case 'property':
      return propertyRanges(node.raw);
  }
}

function unsupported(construct: string, { raw, start }: AST.NodeBase, advice: string): Unsupported {
  return new Unsupported(
    `must not have ${construct}, "${raw}" at character ${start + 1}: no key may stall a run, and RE2, which matches in linear time, has none as JavaScript does. ${advice}`,
  );
}
