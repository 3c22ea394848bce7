/**
 * Seconds after which an execution ends as timed out: three days. Its request is then a dead letter, long before raw logs
 * that are kept for as long as failures, 14 days, expire.
 */
const EXECUTION_SECONDS = 259_200;

/** Label of the map of batches: it stands in the names of their executions. */
export const MAP_LABEL = 'Write';

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
 * another run committed first, the plan was mistaken about the format of a source, or another run has deleted a committed
 * source that it counted on, it plans again; the steps fail after three attempts, and where a source is gone once more. A step
 * that Lambda has no room for waits for it: executions at once share the reserved concurrency of the steps' function, and none
 * fails for it.
 *
 * No failure is caught: a failed execution can be redriven from the state that failed, and one that ended in a state of type
 * Fail could not. EventBridge sends the input of a failed execution to the dead-letter queue.
 *
 * The plan lies in S3, where others may write. So every step is given the request from the execution's input, or as a step
 * answered it for the next plan, and the ETag of the header that the plan step wrote.
 */
export function fanOutDefinition({ functionArn, batch, timeoutSeconds }: FanOutDefinitionProps) {
  const step = (payload: object, more: string[] = []) => ({
    Type: 'Task',
    Resource: 'arn:aws:states:::lambda:invoke',
    Parameters: { FunctionName: functionArn, Payload: payload },
    // 30 seconds more than the function has, so that its own failure arrives first.
    TimeoutSeconds: timeoutSeconds + 30,
    Retry: [NO_ROOM, lambdaFails(), s3Fails(more)],
  });
  return {
    Comment: 'Rolls one large prefix up: plan, write, commit',
    // Only here: CDK ignores its own property beside a definition that is text.
    TimeoutSeconds: EXECUTION_SECONDS,
    StartAt: 'Request',
    States: {
      Request: {
        Type: 'Pass',
        Parameters: { 'request.$': '$', attempt: 1, samplesAll: false, readsOutputs: false },
        Next: 'Plan',
      },
      Plan: {
        ...step({
          step: 'plan',
          'request.$': '$.request',
          'attempt.$': '$.attempt',
          'samplesAll.$': '$.samplesAll',
          'readsOutputs.$': '$.readsOutputs',
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
        // The request may be another one: without the repack, once that is done.
        Parameters: {
          'request.$': '$.plan.answer.request',
          'attempt.$': '$.plan.answer.attempt',
          'samplesAll.$': '$.plan.answer.samplesAll',
          'readsOutputs.$': '$.plan.answer.readsOutputs',
        },
        Next: 'Plan',
      },
      Write: {
        Type: 'Map',
        Label: MAP_LABEL,
        ItemReader: {
          Resource: 'arn:aws:states:::s3:getObject',
          ReaderConfig: { InputType: 'JSONL' },
          Parameters: { 'Bucket.$': '$.plan.answer.bucket', 'Key.$': '$.plan.answer.items' },
        },
        ItemBatcher: {
          MaxItemsPerBatch: batch,
          MaxInputBytesPerBatch: MOST_BATCH_BYTES,
          // From the input of the state, and not from the items file.
          BatchInput: {
            'request.$': '$.request',
            'plan.$': '$.plan.answer.plan',
            'etag.$': '$.plan.answer.etag',
          },
        },
        MaxConcurrencyPath: '$.plan.answer.workers',
        ToleratedFailurePercentage: 0,
        Retry: [READER_FAILS],
        ItemProcessor: {
          // Standard: a batch may take longer than the five minutes of the other kind.
          ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' },
          StartAt: 'WriteBatch',
          States: {
            WriteBatch: {
              ...step(
                {
                  step: 'write',
                  'request.$': '$.BatchInput.request',
                  'plan.$': '$.BatchInput.plan',
                  'etag.$': '$.BatchInput.etag',
                  'items.$': '$.Items',
                },
                // Another attempt at an output, at the same time: the next one finds it. In a plan or a commit it means that
                // other runs have won three times.
                ['Conflict'],
              ),
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
          'samplesAll.$': '$.samplesAll',
          'readsOutputs.$': '$.readsOutputs',
          'generation.$': '$.plan.answer.generation',
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

/**
 * Bytes of the items of one batch: of the 262,144 that an input may have, the rest is left to the request and the plan beside them.
 * https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itembatcher.html
 */
const MOST_BATCH_BYTES = 200_000;

/**
 * Retries where the items could not be read, before any batch has begun: S3 was slow, or a policy was not yet in effect.
 * https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
 */
const READER_FAILS = {
  ErrorEquals: ['States.ItemReaderFailed'],
  ...withJitter({ IntervalSeconds: 10, MaxAttempts: 3, MaxDelaySeconds: 300 }),
};

/** Longest wait for room, in seconds: half of it is the mean, and so the time that a slot stays free for. */
const LONGEST_WAIT = 120;

/**
 * Retries while Lambda has no room: the function's reserved concurrency is taken by the batches of other executions, or the
 * subnets have no address left. 6,000 waits of 60 seconds on average are four days, so that the execution's time limit comes
 * first; and at three events a try they stay below the 25,000 events that an execution may have.
 * https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
 */
const NO_ROOM = {
  // https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_Errors
  ErrorEquals: [
    'Lambda.TooManyRequestsException',
    'Lambda.EC2ThrottledException',
    'Lambda.ENILimitReachedException',
    'Lambda.SubnetIPAddressLimitReachedException',
  ],
  ...withJitter({ IntervalSeconds: 2, MaxAttempts: 6_000, MaxDelaySeconds: LONGEST_WAIT }),
};

/** Retries where Lambda itself failed. */
function lambdaFails() {
  return {
    // https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html#bp-lambda-serviceexception
    ErrorEquals: [
      'Lambda.ClientExecutionTimeoutException',
      'Lambda.ServiceException',
      'Lambda.AWSLambdaException',
      'Lambda.SdkClientException',
      // The function is being updated, or its network is being set up again.
      'Lambda.ResourceConflictException',
      'Lambda.ResourceNotReadyException',
      'Lambda.EC2UnexpectedException',
    ],
    ...withJitter({ IntervalSeconds: 2, MaxAttempts: 10, MaxDelaySeconds: 300 }),
  };
}

/** Retries of failures that pass: of S3, of the network, and steps that ran out of time. */
function s3Fails(more: string[]) {
  return {
    // Codes of lambda/errors.ts, and then names of Lambda and Step Functions.
    ErrorEquals: [
      'SlowDown',
      'S3Error',
      'Timeout',
      'BodyStalled',
      'ShortBody',
      'ChecksumMismatch',
      'NoSuchUpload',
      'EndpointUnreachable',
      ...more,
      'Lambda.Unknown',
      'Sandbox.Timedout',
      'States.Timeout',
    ],
    ...withJitter({ IntervalSeconds: 10, MaxAttempts: 5, MaxDelaySeconds: 300 }),
  };
}

/** Doubling delays with full jitter: batches that were refused together are not repeated together. */
function withJitter(delays: { IntervalSeconds: number; MaxAttempts: number; MaxDelaySeconds: number }) {
  return { ...delays, BackoffRate: 2, JitterStrategy: 'FULL' };
}
