/** What the definition is made of; strings may be tokens. */
export interface FanOutDefinitionProps {
  readonly functionArn: string;
  /** Outputs that one invocation writes. */
  readonly batch: number;
  /** Of one invocation of the function. */
  readonly timeoutSeconds: number;
}

/**
 * The state machine in the Amazon States Language: plan -> write, by as many invocations as the plan allows -> commit. Where
 * another run committed first, it plans again; the steps themselves end that after three times.
 *
 * Nothing is caught: an execution that failed can be redriven from where it failed, and one that ended in a state of
 * type Fail could not. Its input goes to the dead-letter queue by EventBridge.
 *
 * The plan lies in S3. What it must be is said here alone: every step is given the request of the execution's input, and
 * the ETag of the header that the plan step wrote.
 */
export function fanOutDefinition({ functionArn, batch, timeoutSeconds }: FanOutDefinitionProps) {
  const step = (payload: object) => ({
    Type: 'Task',
    Resource: 'arn:aws:states:::lambda:invoke',
    Parameters: { FunctionName: functionArn, Payload: payload },
    // A moment more than the function has: its own word comes first.
    TimeoutSeconds: timeoutSeconds + 30,
    Retry: RETRY,
  });
  return {
    Comment: 'Rolls one large prefix up: plan, write, commit',
    StartAt: 'Request',
    States: {
      Request: { Type: 'Pass', Parameters: { 'request.$': '$', attempt: 1 }, Next: 'Plan' },
      Plan: {
        ...step({ step: 'plan', 'request.$': '$.request', 'attempt.$': '$.attempt' }),
        ResultSelector: { 'answer.$': '$.Payload' },
        ResultPath: '$.plan',
        Next: 'Planned',
      },
      Planned: {
        Type: 'Choice',
        Choices: [
          { Variable: '$.plan.answer.status', StringEquals: 'planned', Next: 'Write' },
          { Variable: '$.plan.answer.status', StringEquals: 'lost', Next: 'PlanAgain' },
        ],
        Default: 'Done',
      },
      PlanAgain: {
        Type: 'Pass',
        Parameters: { 'request.$': '$.request', 'attempt.$': '$.plan.answer.attempt' },
        Next: 'Plan',
      },
      Write: {
        Type: 'Map',
        Label: 'Write',
        ItemReader: {
          Resource: 'arn:aws:states:::s3:getObject',
          ReaderConfig: { InputType: 'JSONL' },
          Parameters: { 'Bucket.$': '$.plan.answer.bucket', 'Key.$': '$.plan.answer.items' },
        },
        ItemBatcher: {
          MaxItemsPerBatch: batch,
          // Of the state's own input: it does not come from the items.
          BatchInput: {
            'request.$': '$.request',
            'plan.$': '$.plan.answer.plan',
            'etag.$': '$.plan.answer.etag',
          },
        },
        MaxConcurrencyPath: '$.plan.answer.workers',
        ToleratedFailurePercentage: 0,
        ItemProcessor: {
          // Standard: a batch may take longer than the five minutes of the other kind.
          ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' },
          StartAt: 'WriteBatch',
          States: {
            WriteBatch: {
              ...step({
                step: 'write',
                'request.$': '$.BatchInput.request',
                'plan.$': '$.BatchInput.plan',
                'etag.$': '$.BatchInput.etag',
                'items.$': '$.Items',
              }),
              // The answers of all batches must fit into 256 KiB together; the commit looks at the outputs themselves.
              ResultSelector: {},
              End: true,
            },
          },
        },
        ResultPath: null,
        Next: 'Commit',
      },
      Commit: {
        ...step({
          step: 'commit',
          'request.$': '$.request',
          'plan.$': '$.plan.answer.plan',
          'etag.$': '$.plan.answer.etag',
          'attempt.$': '$.attempt',
        }),
        ResultSelector: { 'answer.$': '$.Payload' },
        ResultPath: '$.plan',
        Next: 'Committed',
      },
      Committed: {
        Type: 'Choice',
        Choices: [{ Variable: '$.plan.answer.status', StringEquals: 'lost', Next: 'PlanAgain' }],
        Default: 'Done',
      },
      Done: { Type: 'Succeed', OutputPath: '$.plan.answer' },
    },
  };
}

/** Full jitter: what was throttled together does not come back together. */
const RETRY = [
  {
    // https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html#bp-lambda-serviceexception
    ErrorEquals: [
      'Lambda.ClientExecutionTimeoutException',
      'Lambda.ServiceException',
      'Lambda.AWSLambdaException',
      'Lambda.SdkClientException',
      'Lambda.TooManyRequestsException',
    ],
    IntervalSeconds: 2,
    BackoffRate: 2,
    MaxAttempts: 10,
    MaxDelaySeconds: 300,
    JitterStrategy: 'FULL',
  },
  {
    // What S3, or the time, did to a step. The names are the codes of lambda/errors.ts.
    ErrorEquals: [
      'SlowDown',
      'S3Error',
      'Timeout',
      'BodyStalled',
      'ShortBody',
      'EndpointUnreachable',
      'Lambda.Unknown',
      'Sandbox.Timedout',
      'States.Timeout',
    ],
    IntervalSeconds: 10,
    BackoffRate: 2,
    MaxAttempts: 5,
    MaxDelaySeconds: 300,
    JitterStrategy: 'FULL',
  },
];
