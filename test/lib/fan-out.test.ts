import { AwsSolutionsChecks } from 'cdk-nag';
import { describe, expect, it } from 'vitest';
import { fanOutDefinition } from '../../lib/fan-out-definition.ts';
import { FAN_OUT, createStack, synthesize } from './synthesis.ts';
import { onlyResource, resources } from './template.ts';

describe('the stack with fan-out', () => {
  const template = synthesize(FAN_OUT);
  const functions = Object.entries(resources(template, 'AWS::Lambda::Function'));
  const [stepsId = '', steps] = functions.find(([id]) => id.includes('FanOut')) ?? [];
  const [, main] = functions.find(([id]) => !id.includes('FanOut')) ?? [];
  const machine = onlyResource(template, 'AWS::StepFunctions::StateMachine');

  it('has what the other stacks have not: without it there is no state machine', () => {
    expect(functions).toHaveLength(2);
    synthesize().resourceCountIs('AWS::StepFunctions::StateMachine', 0);
    synthesize().resourceCountIs('AWS::Events::Rule', 0);
  });

  it('runs the definition that is tested, over the function of the steps', () => {
    const joined = machine.Properties['DefinitionString'] as { 'Fn::Join': [string, unknown[]] };
    const [, parts] = joined['Fn::Join'];
    const text = parts.map((part) => (typeof part === 'string' ? part : 'steps')).join('');
    expect(JSON.parse(text)).toEqual(
      fanOutDefinition({ functionArn: 'steps', batch: FAN_OUT.fanOutBatch, timeoutSeconds: 900 }),
    );
    expect(JSON.stringify(parts)).toContain(stepsId);
  });

  it('budgets concurrency for the whole map, and leaves the queue to the other function', () => {
    expect(steps?.Properties).toMatchObject({
      ReservedConcurrentExecutions: FAN_OUT.fanOutWorkers + 2,
      Environment: { Variables: { CONCURRENCY: '32', FAN_OUT_REQUEST_RATE: '20000' } },
    });
    expect(JSON.stringify(steps)).not.toContain('QUEUE_URL');
    expect(JSON.stringify(main)).toContain('STATE_MACHINE_ARN');
    expect(JSON.stringify(main)).not.toContain('"CONCURRENCY"');
    const source = onlyResource(template, 'AWS::Lambda::EventSourceMapping');
    expect(JSON.stringify(source.Properties['FunctionName'])).not.toContain(stepsId);
  });

  it('makes a dead letter of an execution that failed', () => {
    const rule = onlyResource(template, 'AWS::Events::Rule');
    expect(rule.Properties['EventPattern']).toMatchObject({
      'detail-type': ['Step Functions Execution Status Change'],
      detail: { status: ['FAILED', 'TIMED_OUT'], stateMachineArn: [{ Ref: machine.id }] },
    });
    expect(JSON.stringify(rule.Properties['Targets'])).toContain('DeadLetters');
  });

  it('gives the machine what it needs and no more', () => {
    const [, role] =
      Object.entries(resources(template, 'AWS::IAM::Role')).find(([id]) => /FanOutRole/.test(id)) ?? [];
    const policies = role?.Properties['Policies'] as {
      PolicyDocument: { Statement: Record<string, unknown>[] };
    }[];
    const statements = policies.flatMap(({ PolicyDocument }) => PolicyDocument.Statement);
    expect(statements.map(({ Sid, Action }) => [Sid, [Action].flat()])).toEqual([
      ['InvokeSteps', ['lambda:InvokeFunction']],
      ['ReadItems', ['s3:GetObject']],
      ['StartBatches', ['states:StartExecution']],
      ['FollowBatches', ['states:DescribeExecution', 'states:RedriveExecution', 'states:StopExecution']],
      ['DeliverLogs', expect.any(Array)],
    ]);
    expect(JSON.stringify(statements[1])).toContain('/aggregated/*_plan/*.items.jsonl');
    template.resourceCountIs('AWS::IAM::Policy', 0);
  });

  it.each([{}, { tracing: true }, { alarmTopicArn: 'arn:aws:sns:eu-central-1:111122223333:on-call' }])(
    'has nothing that cdk-nag would say something about, with %j',
    (more) => {
      const { violations } = new AwsSolutionsChecks().validateScope(
        createStack({ ...FAN_OUT, ...more }).stack,
      );
      expect(violations.map(({ ruleName }) => ruleName)).toEqual([]);
    },
  );
});
