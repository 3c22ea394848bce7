import { AwsSolutionsChecks } from 'cdk-nag';
import { describe, expect, it } from 'vitest';
import { fanOutDefinition } from '../../lib/fan-out-definition.ts';
import { FAN_OUT_OUTPUTS, STACK_OUTPUTS } from '../../lambda/names.ts';
import { flattenReference } from '../../lib/flatten-reference.ts';
import { FAN_OUT, createStack, synthesize } from './synthesis.ts';
import { onlyResource, resources, roleStatements } from './template.ts';

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
      detail: { status: ['FAILED', 'TIMED_OUT', 'ABORTED'], stateMachineArn: [{ Ref: machine.id }] },
    });
    const [target, ...others] = rule.Properties['Targets'] as [{ Arn: unknown; DeadLetterConfig: unknown }];
    expect(others).toEqual([]);
    expect(JSON.stringify(target.Arn)).toContain('DeadLetters');
    expect(JSON.stringify(target.DeadLetterConfig)).toContain('Undelivered');
    const policies = Object.values(resources(template, 'AWS::SQS::QueuePolicy')).map((policy) =>
      JSON.stringify(policy.Properties),
    );
    for (const queue of ['DeadLetters', 'Undelivered'])
      expect(
        policies.filter((policy) => policy.includes(queue) && policy.includes('events.amazonaws.com')),
      ).toHaveLength(1);
  });

  it('ends an execution after three days: the time limit is in the definition', () => {
    const text = JSON.stringify(machine.Properties['DefinitionString']);
    expect(text).toContain('\\"TimeoutSeconds\\":259200,\\"StartAt\\"');
  });

  it('logs under /aws/vendedlogs/, in a group that another deployment of the same name does not meet', () => {
    const [group] = Object.entries(resources(template, 'AWS::Logs::LogGroup')).filter(([id]) =>
      /FanOutLogs/.test(id),
    );
    expect(JSON.stringify(group?.[1].Properties['LogGroupName'])).toMatch(
      /\/aws\/vendedlogs\/states\/LogRollup.*AWS::StackId/,
    );
  });

  it("has the steps' handler where the code was bundled already", () => {
    expect(main?.Properties['Handler']).toBe('index.handler');
    expect(steps?.Properties['Handler']).toBe('steps.handler');
  });

  it('tells the ARNs of the machine and of every role that another account may have to admit', () => {
    const outputs = template.findOutputs('*');
    expect(Object.keys(outputs).sort()).toEqual(
      [...Object.values(STACK_OUTPUTS), ...Object.values(FAN_OUT_OUTPUTS)].sort(),
    );
    expect(flattenReference(outputs[FAN_OUT_OUTPUTS.stepsRoleArn]?.['Value'])).toMatch(/FanOutSteps.*Arn/);
    expect(flattenReference(outputs[FAN_OUT_OUTPUTS.stateMachineRoleArn]?.['Value'])).toMatch(
      /FanOutRole.*Arn/,
    );
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
      ['FollowBatches', ['states:DescribeExecution', 'states:StopExecution']],
      ['RedriveBatches', ['states:RedriveExecution']],
      ['DeliverLogs', expect.any(Array)],
    ]);
    expect(JSON.stringify(statements[1])).toContain('/aggregated/*_plan/*.items.jsonl');
    const named = (sid: string) => {
      const found = statements.find(({ Sid }) => Sid === sid);
      return [found?.['Resource']].flat().map((arn) => flattenReference(arn).replace(/^.*:execution:/, ''));
    };
    const [, name] = /"Label":"(\w+)"/.exec(flattenReference(machine.Properties['DefinitionString'])) ?? [];
    expect(name).toBe('Write');
    const machineName = String(machine.Properties['StateMachineName']);
    expect(named('FollowBatches').sort()).toEqual([`${machineName}/${name}:*`, `${machineName}:*`]);
    expect(named('RedriveBatches')).toEqual([`${machineName}/${name}:*`]);
    template.resourceCountIs('AWS::IAM::Policy', 0);
  });

  it('may decrypt plans with the key of the bucket, and with that of outputs, by way of S3', () => {
    const bucketKey = 'arn:aws:kms:eu-central-1:111122223333:key/11111111-2222-3333-4444-555555555555';
    const kmsKeyId = 'arn:aws:kms:eu-central-1:111122223333:key/66666666-7777-8888-9999-000000000000';
    const keys = (context: Record<string, unknown>) =>
      roleStatements(synthesize({ ...FAN_OUT, ...context })).find(({ Sid }) => Sid === 'DecryptItems');
    expect(keys({})).toBeUndefined();
    expect(keys({ kmsKeyId })).toMatchObject({
      Action: ['kms:Decrypt'],
      Resource: kmsKeyId,
      Condition: {
        StringEquals: {
          'kms:ViaService': {
            'Fn::Join': ['', ['s3.', { Ref: 'AWS::Region' }, '.', { Ref: 'AWS::URLSuffix' }]],
          },
        },
      },
    });
    expect(keys({ kmsKeyId, rawKmsKeyArn: bucketKey })?.Resource).toEqual([bucketKey, kmsKeyId]);
    expect(keys({ kmsKeyId: bucketKey, rawKmsKeyArn: bucketKey })?.Resource).toBe(bucketKey);
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
