import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Template } from 'aws-cdk-lib/assertions';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { readSettingsFile } from '../../bin/options/settings-file.ts';
import { DEFAULT_SETTINGS } from '../../lambda/settings/settings.ts';
import { type StackSettings, STACK_NAMES, parseContext } from '../../lib/config/context.ts';
import { flattenReference } from '../../lib/flatten-reference.ts';
import { LogRollupStack } from '../../lib/log-rollup-stack.ts';
import { type Sandbox, startSandbox } from '../../sandbox/sandbox.ts';
import { drain } from './support/event-source.ts';
import { type LambdaProcess, startLambda } from './support/lambda-process.ts';
import { appContext, createApp, inlineCode } from '../lib/synthesis.ts';
import { onlyResource, resources } from '../lib/template.ts';
import { type QueueServer, startQueues } from '../support/queue-server.ts';
import { neighbours, outputsOf, putObjects, readBack, truthOf } from '../docs/read-back.ts';
import { LOGS, type Logs, cloudTrail } from '../docs/source-objects.ts';
import { COMMANDS, PAGE, ROWS, SETTINGS_FILES, fillHour, splitLocation } from '../docs/source-page.ts';

/*
 * The settings files of docs/sources.md: synthesised, and the messages of their schedules carried out by the function, over
 * objects of each service.
 */

const RAW = 'example-logs';
const ROLLED = 'example-rollups';
/** An hour that has ended by any clock. */
const HOUR = '2025-11-21T08';

const folder = mkdtempSync(join(tmpdir(), 'source-streams-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function settingsOf(json: string): StackSettings {
  const file = join(folder, 's3-log-rollup.json');
  writeFileSync(file, json);
  return parseContext(appContext(), readSettingsFile(file, STACK_NAMES));
}
const deployments = SETTINGS_FILES.map((json) => {
  const settings = settingsOf(json);
  return [settings.stackName, settings] as const;
});

/** The section with this source, of CloudTrail in any region, and its logs. */
function sectionOf(source: string): { section: string; logs: Logs } | undefined {
  for (const [section, command] of COMMANDS) {
    const logs = LOGS[section];
    if (command.source === source && logs !== undefined) return { section, logs };
    const region = /CloudTrail\/([a-z0-9-]+)\//.exec(source)?.[1];
    if (region !== undefined && command.source.replaceAll('eu-west-1', region) === source)
      return { section, logs: cloudTrail(region) };
  }
  return undefined;
}

/** Settings of a run, with their defaults. */
const engineOf = ({ graceSeconds, lookBackHours, headerLines, codec }: StackSettings) => ({
  graceSeconds: graceSeconds ?? DEFAULT_SETTINGS.graceSeconds,
  lookBackHours: lookBackHours ?? DEFAULT_SETTINGS.lookBackHours,
  headerLines: headerLines ?? DEFAULT_SETTINGS.headerLines,
  codec: codec === 'keep' ? undefined : codec,
});
/** The streams of a deployment, with the section that describes each and the prefix of its rollup. */
const streamsOf = (settings: StackSettings) =>
  (settings.streams ?? []).map(({ name, source: path = '', minute = NaN }) => {
    const source = `s3://${RAW}/${settings.rawRoot}${path}`;
    const found = sectionOf(source);
    if (found === undefined) throw new Error(`No section of the page has a command for ${source}.`);
    const prefix = `${settings.aggregatedRoot}${fillHour(path, HOUR)}`;
    return { name, minute, ...found, prefix: prefix.endsWith('/') ? prefix : `${prefix}/` };
  });

/** Variables of the function that are known at the synthesis, and the messages that its schedules send. */
function synthesise(settings: StackSettings) {
  const stack = new LogRollupStack(createApp(), settings.stackName, { settings, code: inlineCode() });
  const template = Template.fromStack(stack);
  const { Properties: rollup } = onlyResource(template, 'AWS::Lambda::Function');
  const { Variables } = z
    .object({ Variables: z.record(z.string(), z.unknown()) })
    .parse(rollup['Environment']);
  const variables = Object.entries(Variables).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  const messages = Object.values(resources(template, 'AWS::Scheduler::Schedule')).map(({ Properties }) => {
    const { Input } = z.object({ Input: z.unknown() }).parse(Properties['Target']);
    return z
      .looseObject({ source: z.string(), stream: z.string() })
      .parse(JSON.parse(flattenReference(Input)));
  });
  return { variables: Object.fromEntries(variables), messages };
}

let sandbox: Sandbox;
let queues: QueueServer;
let lambda: LambdaProcess | undefined;
beforeAll(async () => {
  sandbox = await startSandbox({ buckets: [RAW, ROLLED] });
  queues = await startQueues({ visibilitySeconds: 30 });
});
afterEach(async () => {
  await lambda?.[Symbol.asyncDispose]();
  lambda = undefined;
});
afterAll(async () => {
  await queues[Symbol.asyncDispose]();
  await sandbox.close();
});

describe('settings files of docs/sources.md', () => {
  it('have streams of sources that the page has a command for, several by each', () => {
    const names = deployments.flatMap(([, settings]) => streamsOf(settings).map(({ name }) => name));
    expect(names).toEqual([
      ...['trail-eu-west-1', 'trail-us-east-1', 'alb-web', 's3-access', 's3-access-shop-images'],
      ...['cdn', 'vpc', 'vpc-hive'],
    ]);
  });

  it.each(deployments)(
    '%s: its streams run as late and look back as far as the table says',
    (_, settings) => {
      const { graceSeconds, lookBackHours } = engineOf(settings);
      for (const { name, minute, section } of streamsOf(settings)) {
        const row = ROWS.find((one) => one.name === section);
        expect(minute, name).toBeGreaterThanOrEqual(row?.minute ?? NaN);
        expect(lookBackHours, name).toBeGreaterThanOrEqual(row?.lookBackHours ?? NaN);
        expect(minute * 60, name).toBeGreaterThanOrEqual(graceSeconds);
      }
    },
  );

  it.each(deployments)(
    '%s: its schedules roll up the hour as it is, and later what came late to it',
    async (_, settings) => {
      const { variables, messages } = synthesise(settings);
      const streams = streamsOf(settings).map((stream) => {
        const { objects } = stream.logs;
        return { ...stream, inTime: objects.slice(0, -1), late: objects.slice(-1) };
      });
      const engine = engineOf(settings);
      expect(messages.map(({ stream }) => stream).sort()).toEqual(streams.map(({ name }) => name).sort());
      for (const { logs, inTime } of streams) {
        for (const other of neighbours(HOUR)) putObjects(sandbox, RAW, logs.objects, other);
        putObjects(sandbox, RAW, inTime, HOUR);
        for (const key of logs.beside) sandbox.put(RAW, fillHour(key, HOUR), 'not of this source\n');
      }
      lambda = await startLambda({
        env: {
          ...variables,
          AWS_ENDPOINT_URL: sandbox.endpoint,
          AWS_ENDPOINT_URL_SQS: queues.endpoint,
          QUEUE_URL: queues.queueUrl,
        },
      });
      const runAll = async (scheduledTime: string): Promise<void> => {
        for (const message of messages) await queues.send({ ...message, scheduledTime });
        const runs = await drain(queues, lambda as LambdaProcess);
        expect(runs.map(({ failure }) => failure)).toEqual(runs.map(() => undefined));
        expect(runs).toHaveLength(streams.length * (1 + engine.lookBackHours));
        expect(await queues.depth(queues.deadLetterUrl)).toBe(0);
      };

      await runAll('2025-11-21T09:55:00Z');
      for (const { name, inTime, prefix } of streams)
        expect(readBack(sandbox, ROLLED, prefix), name).toEqual(truthOf(inTime, HOUR, engine));

      for (const { late } of streams) putObjects(sandbox, RAW, late, HOUR);
      await runAll('2025-11-21T10:55:00Z');
      for (const { name, inTime, late, prefix } of streams) {
        const [before, added] = [inTime, late].map((objects) => truthOf(objects, HOUR, engine)['gzip']);
        expect(readBack(sandbox, ROLLED, prefix), name).toEqual({ gzip: `${before ?? ''}${added ?? ''}` });
      }
      if (settings.symlinkManifest === true) expectProjected(streams[0]?.prefix ?? '');
    },
  );
});

/** Expects that the projection of the page, for this hour, is where the list of the outputs under a prefix lies. */
function expectProjected(prefix: string): void {
  const [, template = ''] = /^ +'(s3:\/\/[^']*\$\{day\}[^']*)'$/m.exec(PAGE) ?? [];
  const [, format = ''] = /'projection\.day\.format' = '([^']*)'/.exec(PAGE) ?? [];
  expect(format).toBe('yyyy-MM-dd');
  const list = template.replace('${day}', fillHour('{yyyy}-{MM}-{dd}', HOUR)).replace('${hour}', '08');
  const { bucket, key } = splitLocation(list);
  const listed = sandbox.get(bucket, `${key}manifest`)?.toString().trimEnd().split('\n');
  const outputs = outputsOf(sandbox, ROLLED, prefix);
  expect(outputs).toHaveLength(2);
  expect(listed).toEqual(outputs.map((output) => `s3://${ROLLED}/${output}`));
}
