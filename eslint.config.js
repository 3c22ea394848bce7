import eslint from '@eslint/js';
import prettier from 'eslint-config-prettier';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

export default defineConfig(
  // Examples import the package as it is installed: test/package checks the types of the one in TypeScript there.
  globalIgnores([
    'cdk.out/',
    'coverage/',
    'api-reference/',
    'dist/',
    'release/',
    'examples/',
    'node_modules/',
  ]),
  {
    files: ['**/*.ts'],
    extends: [eslint.configs.recommended, tseslint.configs.strictTypeChecked, prettier],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
    },
  },
  // Values in, values out: clock, environment, log and dice are passed in.
  {
    files: [
      'lambda/rollup/model/**',
      'lambda/rollup/plan/**',
      'lambda/rollup/sample/**',
      'lambda/settings/**',
      'lambda/{concurrency,errors,names,printable,size}.ts',
    ],
    rules: {
      'no-restricted-globals': [
        'error',
        ...['process', 'performance', 'console', 'fetch', 'globalThis', 'global'],
        ...['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask'],
      ],
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now' },
        { object: 'Math', property: 'random' },
      ],
      'no-restricted-syntax': [
        'error',
        {
          selector: "NewExpression[callee.name='Date'][arguments.length=0]",
          message: 'Have the time passed in.',
        },
        { selector: "CallExpression[callee.name='Date']", message: 'Have the time passed in.' },
      ],
    },
  },
  // Test files are tables of cases; their length is the number of cases.
  { files: ['test/**/*.ts'], rules: { 'max-lines': 'off' } },
);
