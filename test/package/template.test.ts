import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
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

const COMBINATIONS: Features[] = [
  { fanOut: false, alarmEmail: false },
  { fanOut: false, alarmEmail: true },
  { fanOut: true, alarmEmail: false },
  { fanOut: true, alarmEmail: true },
];

describe('the plain template', () => {
  it.each(COMBINATIONS)('deploys what the constructs give with the same values: %o', (features) => {
    const { fanOut, alarmEmail } = features;
    const conditions = { HasFanOut: fanOut, HasAlarmEmail: alarmEmail };
    const { codec, minute, ...texts } = VALUES;
    const parameters = {
      ...texts,
      Codec: codec,
      ScheduleMinute: String(minute),
      'AWS::StackName': STACK_NAME,
    };
    const direct = synthesise(features, VALUES);
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
