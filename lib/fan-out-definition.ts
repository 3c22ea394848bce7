/** Properties of the definition. Strings may be tokens. */
export interface FanOutDefinitionProps {
  readonly functionArn: string;
  /** Outputs that one invocation writes. */
  readonly batch: number;
  /** Timeout of one invocation of the function. */
  readonly timeoutSeconds: number;
}

/**
 * The state machine in the Amazon States Language: plan -> write, by as many invocations as the plan allows -> commit. If
 * another run committed first, or the plan was mistaken about the format of a source, it plans again; the steps fail after
 * three attempts.
 *
 * No failure is caught: a failed execution can be redriven from the state that failed, and one that ended in a state of type
 * Fail could not. EventBridge sends the input of a failed execution to the dead-letter queue.
 *
 * The plan lies in S3, where others may write. So every step is given the request from the execution's input, and the ETag of
 * the header that the plan step wrote.
 */
export function fanOutDefinition({ functionArn, batch, timeoutSeconds }: FanOutDefinitionProps) {
  const step = (payload: object) => ({
    Type: 'Task',
    Resource: 'arn:aws:states:::lambda:invoke',
    Parameters: { FunctionName: functionArn, Payload: payload },
    // 30 seconds more than the function has, so that its own failure arrives first.
    TimeoutSeconds: timeoutSeconds + 30,
    Retry: RETRY,
  });
  return {
    Comment: 'Rolls one large prefix up: plan, write, commit',
    StartAt: 'Request',
    States: {
      Request: {
        Type: 'Pass',
        Parameters: { 'request.$': '$', attempt: 1, samplesAll: false },
        Next: 'Plan',
      },
      Plan: {
        ...step({
          step: 'plan',
          'request.$': '$.request',
          'attempt.$': '$.attempt',
          'samplesAll.$': '$.samplesAll',
        }),
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
        Parameters: {
          'request.$': '$.request',
          'attempt.$': '$.plan.answer.attempt',
          'samplesAll.$': '$.plan.answer.samplesAll',
        },
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
          // From the input of the state, and not from the items file.
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
              // Answers are dropped: those of all batches would have to fit into 256 KiB. The commit looks at the outputs.
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

/** Retries of a step, with full jitter: batches that were throttled together are not repeated together. */
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
    // Failures that pass: of S3, of the network, and steps that ran out of time. The first six are codes of lambda/errors.ts.
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
