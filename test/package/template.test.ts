import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '../../package/merge.ts';
import { STACK_NAME } from '../../package/parameters.ts';
import { type Features, type Values, plainTemplate, synthesise } from '../../package/template.ts';

const template = plainTemplate('1.2.3');

const VALUES: Values = {
  RawBucket: 'application-logs',
  RawRoot: 'in/raw/',
  SourcePattern: 'checkout/dt={yyyy}-{MM}-{dd}/{HH}/',
  AggregatedBucket: 'lake',
  AggregatedRoot: 'logs/',
  RawKmsKeyArn: 'arn:aws:kms:eu-central-1:111122223333:key/1a2b-raw',
  AggregatedKmsKeyArn: 'arn:aws:kms:eu-central-1:111122223333:key/3c4d-aggregated',
  AlarmEmail: 'on-call@example.org',
  CodeBucket: 'releases',
  FunctionKey: '1.2.3/function.zip',
  StepsKey: '1.2.3/steps.zip',
  codec: 'zstd',
  minute: 25,
};

/** A template as CloudFormation deploys it with these Parameters; references to resources stay. */
function deployed(part: Json, parameters: Record<string, Json>, conditions: Record<string, boolean>): Json {
  const inside = (value: Json): Json => deployed(value, parameters, conditions);
  if (Array.isArray(part)) return part.map(inside).filter((value) => !isNoValue(value));
  if (part === null || typeof part !== 'object') return part;
  const { Ref, 'Fn::If': choice, 'Fn::Join': join } = part;
  if (typeof Ref === 'string') return parameters[Ref] ?? part;
  if (Array.isArray(choice)) {
    const [condition, yes = null, no = null] = choice;
    return inside(typeof condition === 'string' && conditions[condition] === true ? yes : no);
  }
  if (Array.isArray(join) && join[0] === '') return text(inside(join[1] ?? []));
  return Object.fromEntries(
    Object.entries(part)
      .filter(([name]) => name !== 'Metadata')
      .map(([name, value]) => [name, inside(value)] as const)
      .filter(([, value]) => !isNoValue(value)),
  );
}

function isNoValue(value: Json): boolean {
  return JSON.stringify(value) === '{"Ref":"AWS::NoValue"}';
}

/** Pieces, of which texts that lie side by side are one. */
function text(pieces: Json): Json {
  const joined = (pieces as Json[]).reduce<Json[]>((list, piece) => {
    const last = list.at(-1);
    return typeof last === 'string' && typeof piece === 'string'
      ? [...list.slice(0, -1), last + piece]
      : [...list, piece];
  }, []);
  const [only = ''] = joined;
  return joined.length === 1 && typeof only === 'string' ? only : { 'Fn::Join': ['', joined] };
}

/** The resources or outputs whose conditions hold, without them. */
function present(section: Json, conditions: Record<string, boolean>): JsonObject {
  const all = Object.entries(section as JsonObject).map(([name, part]) => {
    const { Condition, ...rest } = part as JsonObject;
    return { name, rest, isThere: typeof Condition !== 'string' || conditions[Condition] === true };
  });
  return Object.fromEntries(all.filter(({ isThere }) => isThere).map(({ name, rest }) => [name, rest]));
}

const COMBINATIONS: (Features & { rawKey: boolean; aggregatedKey: boolean })[] = [
  { fanOut: false, alarmEmail: false, rawKey: false, aggregatedKey: false },
  { fanOut: false, alarmEmail: true, rawKey: true, aggregatedKey: false },
  { fanOut: true, alarmEmail: false, rawKey: false, aggregatedKey: true },
  { fanOut: true, alarmEmail: true, rawKey: true, aggregatedKey: true },
];

describe('the plain template', () => {
  it.each(COMBINATIONS)('deploys what the constructs give with the same values: %o', (features) => {
    const { fanOut, alarmEmail, rawKey, aggregatedKey } = features;
    const conditions = {
      HasFanOut: fanOut,
      HasAlarmEmail: alarmEmail,
      HasRawKmsKey: rawKey,
      HasAggregatedKmsKey: aggregatedKey,
    };
    const values = {
      ...VALUES,
      ...(rawKey ? {} : { RawKmsKeyArn: '' }),
      ...(aggregatedKey ? {} : { AggregatedKmsKeyArn: '' }),
    };
    const { codec, minute, ...texts } = values;
    const parameters = {
      ...texts,
      Codec: codec,
      ScheduleMinute: String(minute),
      'AWS::StackName': STACK_NAME,
    };
    const direct = synthesise(features, values);
    for (const section of ['Resources', 'Outputs'])
      expect(deployed(present(template[section] ?? {}, conditions), parameters, conditions)).toEqual(
        deployed(direct[section] ?? {}, {}, {}),
      );
  });

  it('refers to nothing that is not in it, and has nothing left of what stood for its Parameters', () => {
    const all = JSON.stringify(template);
    const known = new Set([
      ...Object.keys(template['Parameters'] ?? {}),
      ...Object.keys(template['Resources'] ?? {}),
    ]);
    const referred = Array.from(all.matchAll(/"(?:Ref|Fn::GetAtt)":\[?"(\w+)"/g), ([, name = '']) => name);
    expect(referred.filter((name) => !known.has(name))).toEqual([]);
    const resources = Object.entries(template['Resources'] ?? {}).map(([, resource]) => resource as Json);
    expect(JSON.stringify([resources, template['Outputs'] ?? {}])).not.toMatch(
      /-parameter|"StackNameParameter|cdk-hnb659fds|BootstrapVersion/,
    );
  });

  // CloudFormation takes 1 MB from S3, and 51,200 bytes otherwise; `aws cloudformation deploy` then asks for a bucket.
  it('is smaller than CloudFormation takes', () => {
    expect(JSON.stringify(template).length).toBeLessThan(1_000_000);
  });

  it.each(['cloudformation/deploy.sh', 'terraform/main.tf', 'cdk-python/app.py', '../docs/without-cdk.md'])(
    'has all Parameters that examples/%s gives, and that gives those without a default',
    (file) => {
      const shown = readFileSync(join(import.meta.dirname, '..', '..', 'examples', file), 'utf8');
      const given = new Set(
        Array.from(
          shown.matchAll(/\b([A-Z][a-z]+[A-Z][A-Za-z]+|Codec)"?(?==|: |\s+= )/g),
          ([, name]) => name,
        ),
      );
      const parameters = template['Parameters'] as Record<string, JsonObject>;
      expect([...given].filter((name = '') => !(name in parameters))).toEqual([]);
      const required = Object.keys(parameters).filter((name) => !('Default' in (parameters[name] ?? {})));
      for (const name of required) expect(shown).toContain(name);
    },
  );

  describe('deployed by examples/cloudformation/deploy.sh', () => {
    const script = join(import.meta.dirname, '..', '..', 'examples', 'cloudformation', 'deploy.sh');
    const typed = [
      'RawBucket=application-logs',
      'AggregatedBucket=lake',
      'SourcePattern={yyyy}{MM}{dd}/{HH}/',
    ];
    let folder: string;
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'deploy-'));
    });
    afterEach(() => {
      rmSync(folder, { recursive: true });
    });

    /** Runs it with a program in the place of `aws` that writes its arguments down, and fails for one of its commands. */
    function deploy(args: string[], env: Record<string, string>, failing = 'none') {
      const calls = join(folder, 'calls');
      writeFileSync(calls, '');
      const fake = `#!/bin/sh\nprintf '%s\\n' "$@" '' >> '${calls}'\n[ "$1" != '${failing}' ]\n`;
      writeFileSync(join(folder, 'aws'), fake, { mode: 0o755 });
      const PATH = `${folder}:${process.env['PATH'] ?? ''}`;
      const { status, stderr } = spawnSync('bash', [script, ...args], {
        encoding: 'utf8',
        env: { PATH, ...env },
      });
      const made = readFileSync(calls, 'utf8').split('\n\n').slice(0, -1);
      return { status, stderr, calls: made.map((call) => call.split('\n')) };
    }
    const env = { VERSION: '1.2.3', CODE_BUCKET: 'my-releases', RELEASE: 'here' };

    it('uploads both archives under keys of the release, and gives Parameters that the template takes', () => {
      const { status, calls } = deploy(['LogRollup', ...typed], env);
      const [deployment = [], ...more] = calls.filter(([service]) => service === 'cloudformation');
      expect(status).toBe(0);
      expect(more).toEqual([]);
      expect(calls.slice(0, 2)).toEqual(
        ['function.zip', 'steps.zip'].map((name) => [
          ...['s3', 'cp', `here/${name}`, `s3://my-releases/s3-log-rollup/1.2.3/${name}`],
        ]),
      );
      const at = deployment.indexOf('--parameter-overrides');
      expect(deployment.slice(0, at)).toEqual([
        ...['cloudformation', 'deploy', '--stack-name', 'LogRollup'],
        ...['--template-file', 'here/s3-log-rollup.template.json'],
        ...['--s3-bucket', 'my-releases', '--s3-prefix', 's3-log-rollup/1.2.3'],
        ...['--capabilities', 'CAPABILITY_IAM'],
      ]);
      const given = deployment.slice(at + 1).map((pair): [string, string] => {
        const [name = '', ...value] = pair.split('=');
        return [name, value.join('=')];
      });
      const parameters = template['Parameters'] as Record<string, JsonObject>;
      for (const [name, value] of given) {
        const { AllowedPattern: pattern } = parameters[name] ?? {};
        expect(value).toMatch(new RegExp(typeof pattern === 'string' ? pattern : '.'));
      }
      const names = given.map(([name]) => name);
      const required = Object.keys(parameters).filter((name) => !('Default' in (parameters[name] ?? {})));
      expect(names).toEqual(expect.arrayContaining(required));
      expect(names.filter((name) => !(name in parameters))).toEqual([]);
    });

    it('deploys nothing where an archive could not be uploaded', () => {
      const { status, calls } = deploy(['LogRollup', ...typed], env, 's3');
      expect(status).not.toBe(0);
      expect(calls.map(([service]) => service)).toEqual(['s3']);
    });

    it.each<[string, string[], Record<string, string>]>([
      ['the name of the stack', [], env],
      ['the version', ['LogRollup'], { CODE_BUCKET: 'my-releases' }],
      ['a bucket', ['LogRollup'], { VERSION: '1.2.3' }],
    ])('says what is missing: %s', (name, args, given) => {
      const { status, stderr, calls } = deploy(args, given);
      expect(stderr).toContain(name);
      expect(status).not.toBe(0);
      expect(calls).toEqual([]);
    });
  });

  const installed = spawnSync('cfn-lint', ['--version']).status === 0;
  it.skipIf(!installed)('leaves cfn-lint with nothing to say (pip install cfn-lint)', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cfn-lint-'));
    try {
      const file = join(folder, 'template.json');
      writeFileSync(file, JSON.stringify(template));
      const { status, stdout } = spawnSync('cfn-lint', [file], { encoding: 'utf8' });
      expect(stdout.trim()).toBe('');
      expect(status).toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
