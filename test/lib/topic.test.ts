import { describe, expect, it } from 'vitest';
import { synthesize } from './synthesis.ts';
import { onlyResource } from './template.ts';

describe('the topic that is created for an address', () => {
  const topic = () =>
    onlyResource(synthesize({ alarmEmail: 'on-call@example.com' }), 'AWS::SNS::TopicPolicy');

  it('takes what CloudWatch publishes for this account, and refuses everything without TLS', () => {
    const { Statement } = topic().Properties['PolicyDocument'] as { Statement: unknown[] };
    expect(Statement).toEqual([
      expect.objectContaining({
        Effect: 'Deny',
        Action: 'sns:Publish',
        Condition: { Bool: { 'aws:SecureTransport': 'false' } },
      }),
      {
        Sid: 'PublishAlarms',
        Effect: 'Allow',
        Principal: { Service: 'cloudwatch.amazonaws.com' },
        Action: 'sns:Publish',
        Resource: { Ref: expect.stringMatching(/^AlarmTopic/) as unknown },
        Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } },
      },
    ]);
  });
});
