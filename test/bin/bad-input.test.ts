import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '../../sandbox/sandbox.ts';
import {
  BUCKET,
  DESTINATION,
  SOURCE,
  cli,
  environment,
  lines,
  parseObject,
  runInProcess,
  start,
} from './command-line.ts';

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await startSandbox({ buckets: [BUCKET] });
  for (const name of ['1', '2', '3']) sandbox.put(BUCKET, `raw/app/${name}.log`, lines(2_000));
});
afterEach(() => sandbox.close());

interface Failed {
  code: number | null;
  error: Record<string, unknown>;
}

/** Runs with `--json`, and expects that nothing was written. */
async function fail(
  [command = '', ...rest]: string[],
  env: Record<string, string | undefined> = {},
): Promise<Failed> {
  const before = sandbox.keys(BUCKET);
  const ended = await runInProcess([command, '--json', ...rest], environment(sandbox.endpoint, env));
  expect(ended.stdout).toBe('');
  expect(sandbox.keys(BUCKET)).toEqual(before);
  expect(sandbox.openUploads(BUCKET)).toEqual([]);
  const [last = ''] = ended.stderr.split('\n').slice(-2);
  const printed = parseObject(`${last}\n`);
  expect(Object.keys(printed)).toEqual(['error']);
  return { code: ended.code, error: printed['error'] as Record<string, unknown> };
}

const BOTH = [SOURCE, DESTINATION];

describe('wrong usage ends with 2 and says what is wrong', () => {
  const cases: [name: string, args: string[], message: RegExp][] = [
    [
      'a source that is no URI',
      ['run', '/raw/app', DESTINATION],
      /source "\/raw\/app" is not a location: .*s3:\/\/bucket\/prefix\//,
    ],
    [
      'a destination of another scheme',
      ['run', SOURCE, 'https://logs/x/'],
      /destination "https:\/\/logs\/x\/" is not a location/,
    ],
    ['a URI without a bucket', ['plan', 's3://', DESTINATION], /source "s3:\/\/" is not a location/],
    [
      'a placeholder without an hour',
      ['run', 's3://logs/raw/{yyyy}/', DESTINATION],
      /placeholders.*give --hour/,
    ],
    [
      'a placeholder that is none',
      ['run', 's3://logs/raw/{year}/', DESTINATION, '--hour', '2026-11-21T08'],
      /source "\{year\}"/,
    ],
    [
      'a day that is in no calendar',
      ['run', ...BOTH, '--hour', '2026-02-30T08'],
      /--hour "2026-02-30T08" is not an hour/,
    ],
    [
      'an hour that nothing has room for',
      ['run', ...BOTH, '--hour', '2026-11-21T08'],
      /^--hour 2026-11-21T08 fills nothing: no location has \{yyyy\}/,
    ],
    [
      'a glob for a source',
      ['run', 's3://logs/raw/app/*.log', DESTINATION],
      /source "s3:\/\/logs\/raw\/app\/\*\.log" has a "\*": it must be a prefix, not a glob.* give s3:\/\/logs\/raw\/app\/\.$/,
    ],
    ['a glob for a bucket', ['plan', 's3://lo?s/raw/', DESTINATION], /has a "\?".* all that is under it\.$/],
    ['a glob for a destination', ['verify', 's3://logs/rolled/*/'], /destination .* not a glob/],
    [
      'the destination inside the source',
      ['run', SOURCE, `${SOURCE}out/`],
      /overlap: the destination is inside the source/,
    ],
    [
      'the source inside the destination',
      ['plan', `${DESTINATION}raw/`, DESTINATION],
      /overlap: the source is inside the destination/,
    ],
    ['the same prefix twice', ['run', SOURCE, SOURCE], /are the same/],
    ['an unknown option', ['run', ...BOTH, '--frobnicate'], /Unknown option '--frobnicate'/],
    ['an option without its value', ['run', ...BOTH, '--hour'], /'--hour <hour>' argument missing/],
    ['an unknown command', ['frobnicate'], /Unknown command 'frobnicate'/],
    ['a missing argument', ['run', SOURCE], /destination is missing: type it/],
    ['an argument too many', ['verify', DESTINATION, SOURCE], /Too many arguments/],
    ['help of an unknown command', ['help', 'frobnicate'], /Unknown command 'frobnicate'/],
    [
      'a level that no codec stands beside',
      ['run', ...BOTH, '--level', '9'],
      /^--level 9 must stand beside a codec that has levels: gzip or zstd\.$/,
    ],
    [
      'a level that no codec has',
      ['run', ...BOTH, '--level', '30', '--codec', 'gzip'],
      /^--level must be a whole number from 1 to 9 with gzip, and from 1 to 19 with zstd, not "30"\.$/,
    ],
    [
      'a level that another codec has',
      ['run', ...BOTH, '--level', '12', '--codec', 'gzip'],
      /^--level 12 must be from 1 to 9 with gzip\.$/,
    ],
    [
      'an archive for outputs',
      ['run', ...BOTH, '--storage-class', 'GLACIER'],
      /^--storage-class must be one that later runs and verify can read at once, such as GLACIER_IR, not "GLACIER"\.$/,
    ],
    [
      'an encryption beside another',
      ['run', ...BOTH, '--sse', 'AES256', '--kms-key-id', 'alias/logs'],
      /^--sse AES256 must be left out beside kmsKeyId, which is another encryption\.$/,
    ],
    [
      "a target below S3's smallest part",
      ['run', ...BOTH, '--target-size', '3MiB'],
      /--target-size must be a size from 5 MiB .* not "3MiB"/,
    ],
    [
      'a target that is no size',
      ['run', ...BOTH, '--target-size', 'lots'],
      /--target-size must be .* not "lots"/,
    ],
    ['a part that is too small', ['run', ...BOTH, '--part-size', '1MiB'], /--part-size must be/],
    [
      'no concurrency',
      ['run', ...BOTH, '--concurrency', '0'],
      /--concurrency must be a whole number from 1 to 250, not "0"/,
    ],
    [
      'too much concurrency',
      ['plan', ...BOTH, '--concurrency', '5000'],
      /--concurrency must be a whole number from 1 to 250/,
    ],
    ['no concurrency for verify', ['verify', DESTINATION, '--concurrency', '0'], /--concurrency must be/],
    ['no outputs in flight', ['run', ...BOTH, '--outputs-in-flight', 'few'], /--outputs-in-flight must be/],
    [
      'an unknown newline rule',
      ['run', ...BOTH, '--newline', 'maybe'],
      /--newline must be ensure or none, not "maybe"/,
    ],
    [
      'an endpoint that is no URL',
      ['run', ...BOTH, '--endpoint-url', 'localhost:9000'],
      /--endpoint-url must be a URL .* not "localhost:9000"/,
    ],
  ];

  it.each(cases)('%s', async (_, args, message) => {
    const { code, error } = await fail(args);
    expect(error).toEqual({ code: 'InvalidArgument', message: expect.stringMatching(message) as string });
    expect(code).toBe(2);
    expect(sandbox.requests).toEqual([]);
  });

  it('all problems at once', async () => {
    const args = [
      'run',
      'raw',
      DESTINATION,
      '--target-size',
      'lots',
      '--concurrency',
      '0',
      '--endpoint-url',
      'x',
    ];
    const { message } = (await fail(args)).error;
    for (const part of ['source "raw"', '--target-size', '--concurrency', '--endpoint-url'])
      expect(message).toContain(part);
  });

  it('an endpoint in the environment that is no URL', async () => {
    const { code, error } = await fail(['run', ...BOTH], { AWS_ENDPOINT_URL: 'localhost' });
    expect({ code, error }).toEqual({
      code: 2,
      error: {
        code: 'InvalidArgument',
        message: 'AWS_ENDPOINT_URL must be a URL such as http://127.0.0.1:9000, not "localhost".',
      },
    });
  });

  it('no command at all shows the help on stderr', async () => {
    const { code, stdout, stderr } = await cli(sandbox, []);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(
      /^Usage: [\s\S]*\nerror: A command is missing\. \(InvalidArgument\)\n\(--help shows the options\)\n$/,
    );
  });
});

describe('failures end with 1, a code, advice and the key to blame', () => {
  const run = ['run', ...BOTH];
  const key = 'raw/app/2.log';
  const manifestKey = 'rolled/app/_manifest.json';

  it.each<[name: string, prepare: () => void, args: string[], error: Record<string, unknown>]>([
    [
      'a source bucket that does not exist',
      () => undefined,
      ['run', 's3://nowhere/raw/', DESTINATION],
      { code: 'NoSuchBucket' },
    ],
    [
      'a destination bucket that does not exist',
      () => undefined,
      ['run', SOURCE, 's3://nowhere/x/'],
      { code: 'NoSuchBucket' },
    ],
    ['nothing to verify', () => undefined, ['verify', DESTINATION], { code: 'NoManifest', key: manifestKey }],
    [
      'a source that cannot be joined',
      () => sandbox.put(BUCKET, 'raw/app/4.parquet', 'PAR1\x15\x04'),
      run,
      { code: 'SourceNotJoinable', key: 'raw/app/4.parquet' },
    ],
    [
      'a plan with a source that cannot be joined',
      () => sandbox.put(BUCKET, 'raw/app/4.parquet', 'PAR1\x15\x04'),
      ['plan', ...BOTH],
      { code: 'SourceNotJoinable', key: 'raw/app/4.parquet' },
    ],
    [
      'an archived source',
      () => sandbox.put(BUCKET, key, 'cold', { storageClass: 'GLACIER' }),
      run,
      { code: 'SourceArchived', key },
    ],
    [
      'a manifest that is not ours',
      () => sandbox.put(BUCKET, manifestKey, '{"files":[]}'),
      run,
      { code: 'BadManifest', key: manifestKey },
    ],
    [
      'a manifest of a newer version',
      () => sandbox.put(BUCKET, manifestKey, '{"version":4}'),
      run,
      { code: 'ManifestVersion', key: manifestKey },
    ],
    [
      'a source that changes while it is read',
      () => {
        sandbox.hook = (request) => {
          if (request.operation === 'GetObject' && request.key === key)
            sandbox.put(BUCKET, key, lines(2_000, 'y'));
          return undefined;
        };
      },
      run,
      { code: 'SourceChanged', key },
    ],
  ])('%s', async (_, prepare, args, expected) => {
    prepare();
    const { code, error } = await fail(args);
    expect(error).toMatchObject({ ...expected, message: expect.stringMatching(/\.$/) as string });
    expect(code).toBe(1);
  });

  it('a source that vanishes before it is read', async () => {
    sandbox.hook = (request) => {
      if (request.operation === 'GetObject' && request.key === key) sandbox.delete(BUCKET, key);
      return undefined;
    };
    const { code, stderr } = await cli(sandbox, run);
    expect(code).toBe(1);
    expect(stderr).toMatch(/error: .*raw\/app\/2\.log.* \(SourceVanished\)\n$/);
    expect(sandbox.keys(BUCKET, 'rolled/')).toEqual([]);
  });

  it('credentials that are refused', async () => {
    const locked = await startSandbox({
      buckets: [BUCKET],
      credentials: { accessKeyId: 'test', secretAccessKey: 'another-secret' },
    });
    try {
      const { code, stderr } = await cli(locked, run);
      expect(code).toBe(1);
      expect(stderr).toMatch(/error: .* Check the credentials and their permissions\. \(AccessDenied\)\n$/);
    } finally {
      await locked.close();
    }
  });

  it('no credentials', async () => {
    const { code, error } = await fail(run, {
      AWS_ACCESS_KEY_ID: undefined,
      AWS_SECRET_ACCESS_KEY: undefined,
    });
    expect({ code, error }).toMatchObject({ code: 1, error: { code: 'NoCredentials' } });
  });

  it('a profile that there is not is named', async () => {
    const { code, error } = await fail(run, { AWS_PROFILE: 'prod-logs' });
    expect({ code, error }).toMatchObject({ code: 1, error: { code: 'NoCredentials' } });
    expect(error['message']).toMatch(/AWS_PROFILE is "prod-logs": check that there is such a profile/);
  });

  it('a warning by the SDK is not among the JSON on stderr', async () => {
    const profile = { AWS_PROFILE: 'prod-logs', NODE_OPTIONS: '--trace-warnings' };
    const { ended } = start([...run, '--json'], environment(sandbox.endpoint, profile));
    const { code, stderr } = await ended;
    expect(code).toBe(1);
    expect(parseObject(stderr)).toMatchObject({ error: { code: 'NoCredentials' } });
  });

  it.each(['run', 'plan', 'verify'])('an endpoint that is down: %s ends soon', async (command) => {
    const args = command === 'verify' ? [DESTINATION] : BOTH;
    const began = performance.now();
    const { code, error } = await fail([command, ...args, '--endpoint-url', 'http://127.0.0.1:1']);
    expect({ code, error }).toMatchObject({ code: 1, error: { code: 'EndpointUnreachable' } });
    expect(performance.now() - began).toBeLessThan(20_000);
  });
});

describe('where no region is known', () => {
  const nowhere = { AWS_ENDPOINT_URL: undefined, AWS_REGION: undefined };
  const hour = ['--from', '2026-11-21T08', '--to', '2026-11-21T08'];
  const template = '{yyyy}{MM}{dd}/{HH}/';

  it.each<[string, string[]]>([
    ['run', ['run', 's3://My_Logs/raw/', 's3://lake/rolled/']],
    ['plan', ['plan', 's3://application-logs/raw/', 's3://My_Logs/rolled/']],
    ['verify', ['verify', 's3://My_Logs/rolled/']],
    ['extract', ['extract', 's3://My_Logs/rolled/', 'a.log', '--output', 'never']],
    ['extract --to', ['extract', 's3://lake/rolled/', 'a.log', '--to', 's3://My_Logs/back/']],
    [
      'status',
      ['status', ...hour, '--source', `s3://My_Logs/${template}`, '--destination', `s3://lake/${template}`],
    ],
  ])('%s refuses the name of a bucket that is no name first', async (_, args) => {
    const { code, error } = await fail(args, nowhere);
    expect(error['message']).toMatch(/^"My_Logs" of s3:\/\/My_Logs\/.* is no name .* say --region us-east-1/);
    expect(code).toBe(2);
  });

  it.each<[string, string[], RegExp]>([
    [
      'a list of keys that is not there',
      ['extract', DESTINATION, '--folder', 'never', '--keys-from', 'none'],
      /--keys-from none cannot be read/,
    ],
    ['a region that is none', ['verify', DESTINATION, '--region', 'eu_west'], /^--region must be a region/],
    [
      'a bucket, a flag, and so on at once',
      ['verify', 's3://a b/', '--region', 'x y'],
      /"a b" is not .*--region/,
    ],
    [
      'a region that is none, of a stack',
      ['status', '--stack', 'X', ...hour, '--region', 'eu west'],
      /^--region/,
    ],
  ])('%s is told first', async (_, args, message) => {
    const { code, error } = await fail(args, nowhere);
    expect(error['message']).toMatch(message);
    expect(code).toBe(2);
  });

  it.each<[string, Record<string, string>, RegExp]>([
    ['says what to set', {}, /^The region is not known\. Set AWS_REGION or --region\.$/],
    [
      'names the profile that has none',
      { AWS_PROFILE: 'prod' },
      /--region: the profile "prod" gives none\.$/,
    ],
    [
      'says whose AWS_DEFAULT_REGION is',
      { AWS_DEFAULT_REGION: 'eu-west-1' },
      /read by the AWS CLI and not here/,
    ],
  ])('it %s', async (_, env, message) => {
    const { code, error } = await fail(['run', ...BOTH], { ...nowhere, ...env });
    expect(error).toMatchObject({ code: 'NoRegion', message: expect.stringMatching(message) as string });
    expect(code).toBe(1);
  });

  it('AWS_REGION that is none is told as it is set', async () => {
    const { code, error } = await fail(['run', ...BOTH], { AWS_REGION: 'eu_west_1' });
    expect(error['message']).toBe('AWS_REGION must be a region such as eu-west-1, not "eu_west_1".');
    expect(code).toBe(2);
  });
});

it('an error without --json is one line, wrong usage with where to look', async () => {
  const { stderr } = await cli(sandbox, ['run', SOURCE, SOURCE]);
  expect(stderr).toMatch(/^error: [^\n]+ \(InvalidArgument\)\n\(--help shows the options\)\n$/);
});
