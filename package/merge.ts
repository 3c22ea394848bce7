import { isDeepStrictEqual } from 'node:util';

/** A part of a template, as JSON. */
export type Json = null | boolean | number | string | Json[] | JsonObject;
export interface JsonObject {
  [name: string]: Json;
}

const NO_VALUE: JsonObject = { Ref: 'AWS::NoValue' };

/**
 * Makes one template of two that the same constructs gave with a feature and without it, so that a condition decides at the
 * deployment. What both have alike stays as it is. Resources and outputs that the feature brings get the condition; where
 * both differ inside, `Fn::If` stands at the smallest difference.
 *
 * @param condition name of a condition that is true with the feature
 * @param on the template with it
 * @param off the template without it
 * @throws Error where the feature takes resources away, or brings one that has a condition already
 */
export function mergeTemplates(condition: string, on: JsonObject, off: JsonObject): JsonObject {
  const sections = Object.keys(on).map((section): [string, Json] => {
    const [a, b] = [objectOf(on[section]), objectOf(off[section])];
    if (section !== 'Resources' && section !== 'Outputs') return [section, { ...b, ...a }];
    const gone = Object.keys(b).filter((name) => !(name in a));
    if (gone.length > 0) throw new Error(`${condition} takes ${gone.join(', ')} away`);
    const merged = Object.entries(a).map(([name, part]): [string, Json] => [
      name,
      name in b ? merge(condition, part, b[name] ?? null) : withCondition(condition, name, objectOf(part)),
    ]);
    return [section, Object.fromEntries(merged)];
  });
  return Object.fromEntries(sections);
}

function withCondition(condition: string, name: string, part: JsonObject): JsonObject {
  if ('Condition' in part) throw new Error(`${name} has another condition besides ${condition}`);
  return { ...part, Condition: condition };
}

function merge(condition: string, on: Json, off: Json): Json {
  if (isDeepStrictEqual(on, off)) return on;
  const choice: Json = { 'Fn::If': [condition, on, off] };
  if (Array.isArray(on) && Array.isArray(off)) return mergeLists(condition, on, off) ?? choice;
  if (!isPlain(on) || !isPlain(off)) return choice;
  const names = [...new Set([...Object.keys(on), ...Object.keys(off)])];
  return Object.fromEntries(
    names.map((name) => {
      const [a, b] = [on[name], off[name]];
      if (a === undefined) return [name, { 'Fn::If': [condition, NO_VALUE, b ?? null] }];
      if (b === undefined) return [name, { 'Fn::If': [condition, a, NO_VALUE] }];
      return [name, merge(condition, a, b)];
    }),
  );
}

/** The longer list, in which what the shorter one lacks depends on the condition; undefined if they differ in other ways. */
function mergeLists(condition: string, on: Json[], off: Json[]): Json[] | undefined {
  let at = 0;
  const merged = on.map((item) => {
    if (at < off.length && isDeepStrictEqual(item, off[at])) {
      at++;
      return item;
    }
    return { 'Fn::If': [condition, item, NO_VALUE] };
  });
  return at === off.length ? merged : undefined;
}

/** True of an object that is no intrinsic function, which cannot be taken apart. */
function isPlain(value: Json): value is JsonObject {
  return (
    value !== null &&
    typeof value === 'object' &&
    !Array.isArray(value) &&
    !Object.keys(value).some((name) => name === 'Ref' || name.startsWith('Fn::'))
  );
}

function objectOf(value: Json | undefined): JsonObject {
  return value !== undefined && isPlain(value) ? value : {};
}
