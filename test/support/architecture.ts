import { posix } from 'node:path';
import ts from 'typescript';

/** Who may import from whom; a folder may always import from itself. */
const ARROWS: Record<string, string[]> = {
  bin: ['lib', 'lambda', 'sandbox', 'demo'],
  lib: ['lambda'],
  lambda: [],
  sandbox: [],
  demo: ['sandbox'],
};

/** All that `lib` sees of the function. */
const SHARED = ['lambda/names.ts', 'lambda/settings/settings.ts'];

/** No clock, no environment, no SDK, no log. They import nothing but each other and what computes. */
export const PURE = [
  ...['errors', 'names', 'printable', 'settings', 'size'].map((name) => `lambda/${name}.ts`),
  ...[
    'hour',
    'plan',
    'pack',
    'manifest',
    'frames',
    'kind',
    'key-order',
    'fan-budget',
    'location',
    'crc32',
    'glob',
    'select',
    'codec',
    'weights',
    'source-form',
    'sidecar',
    'byte-reader',
    'bits',
    'held-objects',
    'reconcile',
    'samples',
    'side-by-side',
  ].map((name) => `lambda/rollup/${name}.ts`),
  ...[
    'afterwards',
    'character-sets',
    'codec',
    'fan-out',
    'kinds',
    'linear-regex',
    'outputs',
    'rollup',
    'row',
    'selection',
    'sides',
  ].map((name) => `lambda/settings/${name}.ts`),
  ...['key-ahead', 'plan-file'].map((name) => `lambda/rollup/${name}.ts`),
];
const PURE_PACKAGES = new Set([
  'zod',
  're2js',
  '@eslint-community/regexpp',
  'node:crypto',
  'node:util',
  'node:zlib',
]);

/** Globals that make a result depend on when and where it is computed. */
const IMPURE = new Set([
  ...['process', 'performance', 'console', 'fetch', 'globalThis', 'global'],
  ...['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask'],
]);

/** S3 is spoken to under lambda/s3/ alone. */
const S3_PACKAGES = new Set(['@aws-sdk/client-s3', '@aws-sdk/lib-storage', '@smithy/node-http-handler']);

interface Import {
  specifier: string;
  typeOnly: boolean;
}

/** Why a file, given by its path from the root, does not belong in this house; empty where it does. */
export function violationsIn(path: string, text: string): string[] {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const imports = importsOf(file);
  return [
    ...imports.flatMap((imported) => arrowViolations(path, imported)),
    ...imports.flatMap((imported) => sdkViolations(path, imported)),
    ...(PURE.includes(path)
      ? [...imports.flatMap((imported) => impureImports(path, imported)), ...impureUses(path, file)]
      : []),
  ];
}

function arrowViolations(path: string, { specifier }: Import): string[] {
  const target = targetOf(path, specifier);
  const [from = ''] = path.split('/');
  const [to = ''] = target?.split('/') ?? [];
  const allowed = ARROWS[from];
  if (target === undefined || allowed === undefined || to === from) return [];
  if (!allowed.includes(to)) return [`${path} imports ${target}: ${from} must not import from ${to}`];
  if (from === 'lib' && !SHARED.includes(target))
    return [`${path} imports ${target}: lib must import only ${SHARED.join(' and ')} from lambda`];
  return [];
}

function sdkViolations(path: string, { specifier }: Import): string[] {
  if (!path.startsWith('lambda/') || path.startsWith('lambda/s3/') || !S3_PACKAGES.has(specifier)) return [];
  return [`${path} imports ${specifier}: only lambda/s3/ may`];
}

function impureImports(path: string, { specifier, typeOnly }: Import): string[] {
  if (typeOnly) return [];
  const target = targetOf(path, specifier);
  const fine = target === undefined ? PURE_PACKAGES.has(specifier) : PURE.includes(target);
  return fine ? [] : [`${path} imports ${target ?? specifier}: it is pure, and that is not`];
}

function impureUses(path: string, file: ts.SourceFile): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    const use = impureUse(node);
    if (use !== undefined) found.push(`${path} uses ${use}: it is pure`);
    node.forEachChild(visit);
  };
  visit(file);
  return found;
}

function impureUse(node: ts.Node): string | undefined {
  if (ts.isNewExpression(node) || ts.isCallExpression(node)) {
    const isDate = ts.isIdentifier(node.expression) && node.expression.text === 'Date';
    return isDate && (node.arguments?.length ?? 0) === 0 ? 'the present time' : undefined;
  }
  if (ts.isPropertyAccessExpression(node)) {
    const name = `${node.expression.getText()}.${node.name.text}`;
    return name === 'Date.now' || name === 'Math.random' ? name : undefined;
  }
  if (!ts.isIdentifier(node) || !IMPURE.has(node.text)) return undefined;
  const isName = ts.isPropertyAccessExpression(node.parent) && node.parent.name === node;
  return isName ? undefined : node.text;
}

function importsOf(file: ts.SourceFile): Import[] {
  const found: Import[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
      if (node.moduleSpecifier !== undefined) {
        found.push({ specifier: textOf(node.moduleSpecifier), typeOnly: isTypeOnly(node) });
      }
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      found.push({ specifier: textOf(node.arguments[0]), typeOnly: false });
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      found.push({ specifier: textOf(node.argument.literal), typeOnly: true });
    }
    node.forEachChild(visit);
  };
  visit(file);
  return found;
}

function isTypeOnly(node: ts.ImportDeclaration | ts.ExportDeclaration): boolean {
  if (ts.isExportDeclaration(node)) return node.isTypeOnly;
  const clause = node.importClause;
  if (clause === undefined) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const bindings = clause.namedBindings;
  if (clause.name !== undefined || bindings === undefined || !ts.isNamedImports(bindings)) return false;
  return bindings.elements.every((element) => element.isTypeOnly);
}

function textOf(node: ts.Node | undefined): string {
  return node !== undefined && ts.isStringLiteralLike(node) ? node.text : '';
}

/** `lambda/rollup/plan/planner.ts`, `../errors.ts` -> `lambda/errors.ts`; undefined for a package. */
function targetOf(path: string, specifier: string): string | undefined {
  return specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : undefined;
}
