import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { METRICS } from '../../lambda/names.ts';
import { PRICES } from '../../lambda/prices.ts';
import { flattenReference } from '../../lib/flatten-reference.ts';
import { anchors, page } from './markdown.ts';
import { DEPLOYMENTS, FAN_OUT, synthesize } from './synthesis.ts';
import { onlyResource, resources } from './template.ts';

const alarm = z.looseObject({
  AlarmDescription: z.string().max(1_024),
  AlarmActions: z.array(z.unknown()).optional(),
  OKActions: z.array(z.unknown()).optional(),
  MetricName: z.string(),
  Namespace: z.string(),
  Dimensions: z.array(z.object({ Name: z.string(), Value: z.unknown() })),
  Threshold: z.number(),
});

function alarms(context: Record<string, unknown> | undefined) {
  const all = Object.entries(resources(synthesize(context), 'AWS::CloudWatch::Alarm'));
  return all.map(([id, { Properties }]) => ({
    id: id.replace(/^RollupAlarms/, '').replace(/[0-9A-F]{8}$/, ''),
    ...alarm.parse(Properties),
  }));
}

const WITH_FAN_OUT: typeof DEPLOYMENTS = { ...DEPLOYMENTS, 'fan-out': FAN_OUT };

describe.each(Object.entries(WITH_FAN_OUT))('alarms with %s', (_, context) => {
  it('have their meaning and a link to an existing section of the runbook', () => {
    const sections = anchors(page('runbook.md'));
    const url = (context['runbookUrl'] as string | undefined) ?? 'docs/runbook.md';
    for (const { AlarmDescription, id } of alarms(context)) {
      const [meaning = '', link = ''] = AlarmDescription.split(' Runbook: ');
      expect(meaning, id).toMatch(/^[A-Z].{40,}\.$/);
      expect(link.startsWith(`${url}#`), id).toBe(true);
      expect(sections, id).toContain(link.slice(url.length + 1));
    }
  });

  it('notify the topic, and have no actions without one', () => {
    const given =
      context['alarmTopicArn'] ??
      (context['alarmEmail'] && { Ref: expect.stringMatching(/^AlarmTopic/) as unknown });
    const actions = given === undefined ? undefined : [given];
    for (const { AlarmActions, OKActions, id } of alarms(context)) {
      expect(AlarmActions, id).toEqual(actions);
      expect(OKActions, id).toEqual(actions);
    }
  });
});

describe('alarms', () => {
  it.each([
    { id: 'DeadLetters', metric: 'ApproximateNumberOfMessagesVisible', threshold: 1 },
    { id: 'Undelivered', metric: 'ApproximateNumberOfMessagesVisible', threshold: 1 },
    { id: 'OldestRequest', metric: 'ApproximateAgeOfOldestMessage', threshold: 3_600 },
    { id: 'Errors', metric: 'Errors', threshold: 1 },
    { id: 'Throttles', metric: 'Throttles', threshold: 1 },
    { id: 'Duration', metric: 'Duration', threshold: 720_000 },
    { id: 'Descriptorsdefault', metric: METRICS.fileDescriptors, threshold: 900 },
    { id: 'Descriptorsunnamed', metric: METRICS.fileDescriptors, threshold: 900 },
    { id: 'LoopsStopped', metric: 'RecursiveInvocationsDropped', threshold: 1 },
    { id: 'ExecutionsFailed', metric: 'ExecutionsFailed', threshold: 1 },
    { id: 'ExecutionsTimedOut', metric: 'ExecutionsTimedOut', threshold: 1 },
    { id: 'ExecutionsAborted', metric: 'ExecutionsAborted', threshold: 1 },
    { id: 'StepErrors', metric: 'Errors', threshold: 1 },
    { id: 'StepDuration', metric: 'Duration', threshold: 720_000 },
  ])('$id: $metric reaches $threshold', ({ id, metric, threshold }) => {
    expect(alarms(FAN_OUT).find((one) => one.id === id)).toMatchObject({
      MetricName: metric,
      Threshold: threshold,
      ComparisonOperator: 'GreaterThanOrEqualToThreshold',
      EvaluationPeriods: 1,
      Period: 300,
      TreatMissingData: 'notBreaching',
    });
  });

  it('are raised for each stream without a commit in two hours, also if it reports nothing', () => {
    const silent = alarms(DEPLOYMENTS['existing bucket']).filter(
      ({ MetricName }) => MetricName === METRICS.hoursCommitted,
    );
    expect(silent).toMatchObject(
      ['checkout', 'search'].map((stream) => ({
        Namespace: METRICS.namespace,
        Dimensions: [
          { Name: METRICS.serviceDimension, Value: 'LogRollup' },
          { Name: METRICS.streamDimension, Value: stream },
        ],
        Statistic: 'Sum',
        Period: 3_600,
        EvaluationPeriods: 2,
        Threshold: 1,
        ComparisonOperator: 'LessThanThreshold',
        TreatMissingData: 'breaching',
      })),
    );
  });

  it('are raised for an empty hour only where that is asked for', () => {
    const empty = (context: Record<string, unknown>) =>
      alarms(context).filter(({ MetricName }) => MetricName === METRICS.hoursEmpty);
    expect(empty({})).toEqual([]);
    expect(empty({ ...DEPLOYMENTS['existing bucket'], emptyHourAlarm: true })).toMatchObject(
      ['checkout', 'search'].map((stream) => ({
        id: `HourEmpty${stream}`,
        Dimensions: [
          { Name: METRICS.serviceDimension, Value: 'LogRollup' },
          { Name: METRICS.streamDimension, Value: stream },
        ],
        Statistic: 'Sum',
        Threshold: 1,
        ComparisonOperator: 'GreaterThanOrEqualToThreshold',
        TreatMissingData: 'notBreaching',
      })),
    );
  });

  it('StepThrottles: only an hour of throttles without a pause, because executions at once share the slots', () => {
    expect(alarms(FAN_OUT).find(({ id }) => id === 'StepThrottles')).toMatchObject({
      MetricName: 'Throttles',
      EvaluationPeriods: 12,
      Period: 300,
      Threshold: 1,
    });
    expect(alarms({}).filter(({ id }) => /^(Step|Executions)/.test(id))).toEqual([]);
  });

  it('of the steps watch the function and the machine of the steps', () => {
    const watched = (id: string) =>
      flattenReference(alarms(FAN_OUT).find((one) => one.id === id)?.Dimensions[0]?.Value);
    for (const id of ['StepErrors', 'StepThrottles', 'StepDuration'])
      expect(watched(id)).toMatch(/FanOutSteps/);
    expect(watched('Errors')).not.toMatch(/FanOut/);
    expect(watched('ExecutionsFailed')).toMatch(/StateMachine/);
  });

  it('watch three different queues', () => {
    const watched = alarms({}).filter(({ Namespace }) => Namespace === 'AWS/SQS');
    expect(new Set(watched.map(({ Dimensions }) => flattenReference(Dimensions[0]?.Value))).size).toBe(3);
  });
});

const widgetSchema = z.looseObject({
  properties: z.looseObject({
    markdown: z.string().optional(),
    metrics: z.array(z.array(z.unknown())).default([]),
  }),
});

function widgetsOf(template: ReturnType<typeof synthesize>) {
  const body = onlyResource(template, 'AWS::CloudWatch::Dashboard').Properties['DashboardBody'];
  return z.object({ widgets: z.array(widgetSchema) }).parse(JSON.parse(flattenReference(body))).widgets;
}

/** Expressions of all graphs, by their labels. */
function expressionsOf(template: ReturnType<typeof synthesize>): Map<string, string> {
  const shown = z.looseObject({ label: z.string(), expression: z.string() });
  const metrics = widgetsOf(template).flatMap(({ properties }) => properties.metrics.map((row) => row[0]));
  return new Map(
    metrics.flatMap((metric) => {
      const { success, data } = shown.safeParse(metric);
      return success ? [[data.label, data.expression] as const] : [];
    }),
  );
}

describe('the dashboard', () => {
  it.each(Object.entries(DEPLOYMENTS))('with %s shows every metric that the function has', (_, context) => {
    const body = onlyResource(synthesize(context), 'AWS::CloudWatch::Dashboard').Properties['DashboardBody'];
    const { widgets } = z
      .object({ widgets: z.array(z.looseObject({ type: z.string() })) })
      .parse(JSON.parse(flattenReference(body)));
    const text = JSON.stringify(widgets);
    const { namespace, serviceDimension, streamDimension, unnamedStream, ...metrics } = METRICS;
    for (const metric of Object.values(metrics)) {
      if (metric === METRICS.duration) continue; // Lambda's own Duration is shown: it is what the timeout counts.
      expect(text).toContain(
        `{${namespace},${serviceDimension},${streamDimension}} MetricName=\\\\\\"${metric}\\\\\\"`.replaceAll(
          '\\\\\\"',
          '\\"',
        ),
      );
    }
    expect(text).not.toContain(unnamedStream + '"');
    for (const title of ['Alarms', 'Requests', 'Failed requests', 'Longest run (ms)'])
      expect(text).toContain(title);
  });

  it('with fan-out shows executions and steps', () => {
    const body = flattenReference(
      onlyResource(synthesize(FAN_OUT), 'AWS::CloudWatch::Dashboard').Properties['DashboardBody'],
    );
    for (const metric of ['ExecutionsStarted', 'ExecutionsFailed', 'ExecutionsTimedOut', 'ExecutionsAborted'])
      expect(body).toContain(metric);
    expect(body).toContain('Large rollups: steps');
  });

  it.each(Object.entries(WITH_FAN_OUT))(
    'with %s asks the questions of a report in its order',
    (_, context) => {
      const markdowns = widgetsOf(synthesize(context)).flatMap(({ properties }) => properties.markdown ?? []);
      expect(markdowns).toEqual([
        '## Is everything rolled up?',
        '## How much is it?',
        '## How near are the limits?',
        '## What does it cost?',
        ...(context === FAN_OUT ? ['## Large rollups, by fan-out'] : []),
      ]);
    },
  );

  it('shows ratio and dollars by arithmetic over all streams, with the prices of plan and report', () => {
    const memory = { ...FAN_OUT, memorySize: 2_048, partSize: '16MiB' };
    const expressions = expressionsOf(synthesize(memory));
    expect(expressions.get('objects for one output')).toBe('SUM(objects0) / SUM(outputs0)');
    expect(expressions.get('Lambda')).toBe(`duration / 1000 * 2 * ${PRICES.lambdaGBSecond}`);
    expect(expressions.get('Lambda, fan-out')).toBe(`steps / 1000 * 2 * ${PRICES.lambdaGBSecond}`);
    expect(expressions.get('S3 requests, estimated by objects and bytes')).toBe(
      `SUM(objects0) * 0.0000004 + (SUM(bytes0) / ${16 * 1024 ** 2} + 3 * SUM(outputs0)) * 0.0000050`,
    );
    const whole = expressionsOf(synthesize({ ...memory, partSize: '64MiB' }));
    expect(whole.get('S3 requests, estimated by objects and bytes')).toBe(
      'SUM(objects0) * 0.0000004 + SUM(outputs0) * 0.0000050',
    );
  });

  it('adds streams up that no single search may name', () => {
    const streams = Array.from({ length: 110 }, (_, i) => ({ name: `service-${i}` }));
    const expressions = expressionsOf(synthesize({ rawBucketName: 'application-logs', streams }));
    const ratio = expressions.get('objects for one output') ?? '';
    const named = [...ratio.matchAll(/FILL\(SUM\((objects\d+)\), 0\)/g)];
    expect(named.length).toBeGreaterThan(1);
    const [objects, outputs = ''] = ratio.split(' / ');
    expect(outputs.replaceAll('outputs', 'objects')).toBe(objects);
  });

  it('has no widget with more than 100 alarms or streams, and leaves none out', () => {
    const streams = Array.from({ length: 110 }, (_, i) => ({ name: `service-${i}` }));
    const template = synthesize({ rawBucketName: 'application-logs', streams });
    const body = flattenReference(
      onlyResource(template, 'AWS::CloudWatch::Dashboard').Properties['DashboardBody'],
    );
    const { widgets } = z
      .object({
        widgets: z.array(
          z.looseObject({
            type: z.string(),
            properties: z.looseObject({
              title: z.string().default(''),
              alarms: z.array(z.string()).default([]),
              metrics: z.array(z.array(z.unknown())).default([]),
            }),
          }),
        ),
      })
      .parse(JSON.parse(body));
    const lists = widgets.filter(({ type }) => type === 'alarm').map(({ properties }) => properties.alarms);
    expect(Math.max(...lists.map(({ length }) => length))).toBe(100);
    expect(new Set(lists.flat()).size).toBe(
      Object.keys(resources(template, 'AWS::CloudWatch::Alarm')).length,
    );

    const memory = widgets.filter(({ properties }) => properties.title.startsWith('Memory'));
    expect(memory.map(({ properties }) => properties.title)).toEqual(['Memory (1 of 2)', 'Memory (2 of 2)']);
    const shown = memory.map(({ properties }) => {
      const searches = properties.metrics.map(([search]) => (search as { expression: string }).expression);
      for (const search of searches) expect(search.length).toBeLessThanOrEqual(1_100);
      return searches.flatMap((search) =>
        [...search.matchAll(/"(service-\d+|unnamed)"/g)].map(([, name]) => name),
      );
    });
    expect(shown.map(({ length }) => length)).toEqual([100, 11]);
    expect(new Set(shown.flat())).toEqual(
      new Set([...streams.map(({ name }) => name), METRICS.unnamedStream]),
    );
  });

  it('shows limits with what they limit', () => {
    const body = flattenReference(
      onlyResource(synthesize(), 'AWS::CloudWatch::Dashboard').Properties['DashboardBody'],
    );
    for (const value of [1_024, 900, 250, 900_000, 5]) expect(body).toContain(`"value":${value},`);
  });
});
