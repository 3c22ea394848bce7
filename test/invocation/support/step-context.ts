import type { Context } from 'aws-lambda';

/** The context of an invocation of the steps' function, with all of its time left. */
export const CONTEXT = {
  awsRequestId: 'request-1',
  functionName: 'steps',
  functionVersion: '1',
  invokedFunctionArn: 'arn:aws:lambda:eu-central-1:111122223333:function:steps',
  memoryLimitInMB: '1769',
  getRemainingTimeInMillis: () => 900_000,
} as Context;
