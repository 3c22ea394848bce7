/**
 * Who may import from whom. `npm run deps` checks it, types included; docs/develop.md draws it.
 *
 * @type {import('dependency-cruiser').IConfiguration}
 */
const only = (name, from, to, comment) => ({
  name,
  severity: 'error',
  comment,
  from: { path: from },
  to: { path: '^(api|bin|lib|lambda|sandbox|demo|bench|package|test)/', pathNot: to },
});

const never = (name, from, to, comment) => ({
  name,
  severity: 'error',
  comment,
  from,
  to: { path: to },
});

const ENGINE = '^lambda/rollup/';
const FACE = '^lambda/rollup/index\\.ts$';

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      comment: 'Files that import each other, types included, cannot be understood one by one.',
      from: {},
      to: { circular: true },
    },
    {
      name: 'resolvable',
      severity: 'error',
      comment: 'An import that leads nowhere.',
      from: {},
      // Of these there are types alone.
      to: { couldNotResolve: true, pathNot: '^aws-lambda$' },
    },
    only('api', '^api/', ['^api/', '^lambda/'], 'The engine as the package shows it.'),
    only(
      'package',
      '^package/',
      ['^package/', '^lib/', '^lambda/names\\.ts$'],
      'Builds what is published; the template is made from the constructs.',
    ),
    only(
      'bin',
      '^bin/',
      ['^bin/', '^lib/', '^lambda/', '^sandbox/', '^demo/'],
      'The command line may use everything but benchmark and tests.',
    ),
    only(
      'lib',
      '^lib/',
      ['^lib/', '^lambda/(names|prices)\\.ts$', '^lambda/settings/'],
      'The stack sees names, prices and settings of the function, and nothing that runs in it.',
    ),
    only('lambda', '^lambda/', ['^lambda/'], 'The function is deployed by itself.'),
    only(
      'sandbox',
      '^sandbox/',
      ['^sandbox/'],
      'The local S3 shares nothing with what is tested against it.',
    ),
    only('demo', '^demo/', ['^demo/', '^sandbox/'], 'The demo is a user of the command line.'),
    only('bench', '^bench/', ['^bench/', '^bin/', '^lambda/', '^sandbox/'], 'The benchmark is no test.'),
    never(
      'face-of-the-engine',
      { path: '^(api|bin|demo|bench|lambda)/', pathNot: [ENGINE, '^lambda/s3/'] },
      '^lambda/rollup/(?!index\\.ts$)',
      'The engine is used by lambda/rollup/index.ts, and nothing behind it.',
    ),
    never(
      's3-sees-the-model',
      { path: '^lambda/s3/' },
      '^lambda/(rollup/(?!model/)|invocation/)',
      'The store over S3 knows the engine’s interfaces and values alone.',
    ),
    only(
      'rollup',
      ENGINE,
      [ENGINE, '^lambda/settings/', '^lambda/(chunk|concurrency|errors|printable|size)\\.ts$'],
      'The engine is handed its store, its clock and its report.',
    ),
    never('no-way-back', { path: ENGINE }, FACE, 'Inside, files import each other and not the face.'),
    only(
      'model',
      '^lambda/rollup/model/',
      ['^lambda/rollup/model/', '^lambda/settings/', '^lambda/(errors|size)\\.ts$'],
      'Values and interfaces, which every room knows.',
    ),
    only('settings', '^lambda/settings/', ['^lambda/settings/', '^lambda/(errors|size)\\.ts$'], 'One table.'),
    never(
      's3-sdk',
      { path: '^(api|bin|lib|lambda)/', pathNot: '^lambda/s3/' },
      'node_modules/(@aws-sdk/(client-s3|lib-storage)|@smithy/node-http-handler)/',
      'S3 is spoken to under lambda/s3/ alone.',
    ),
    never(
      'sqs-sdk',
      { path: '^lambda/', pathNot: '^lambda/invocation/queue\\.ts$' },
      'node_modules/@aws-sdk/client-sqs/',
      'The function speaks to its queue in one file.',
    ),
    never(
      'sfn-sdk',
      { path: '^lambda/', pathNot: '^lambda/invocation/state-machine\\.ts$' },
      'node_modules/@aws-sdk/client-sfn/',
      'The function speaks to Step Functions in one file.',
    ),
    never(
      'smoke-sdk',
      { path: '^(bin|lib|lambda)/', pathNot: '^bin/smoke/aws\\.ts$' },
      'node_modules/@aws-sdk/client-(cloudwatch|sns)/',
      'Alarms and their subscribers are looked at by one command, in one file.',
    ),
    {
      name: 'smoke-sdk-is-loaded-late',
      severity: 'error',
      comment: 'All commands are loaded at the start: none waits for clients that one of them needs.',
      from: { path: '^bin/' },
      to: { path: '^bin/smoke/aws\\.ts$', dependencyTypesNot: ['dynamic-import'] },
    },
    never(
      'pure-rooms',
      { path: '^lambda/(rollup/model|settings)/' },
      ['^(fs|net|http|https|child_process|worker_threads|os|timers)(/|$)', 'node_modules/@aws-'],
      'No system, no network, no log: values in, values out.',
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default'],
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json'],
    },
  },
};
