import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { STACK_OUTPUTS } from '../../../lambda/names.ts';
import { type Account, STACK, TEMPLATE, openAccount, takeAll } from './operator-line.ts';

let account: Account;
beforeEach(async () => {
  account = await openAccount();
});
afterEach(() => account[Symbol.asyncDispose]());

const HOUR = '2025-11-21T08';
const FUNCTION = 'LogRollup-Function-1A2B3C';
const byStack = ['rerun', '--stack', STACK, '--source', TEMPLATE];

describe('rerun', () => {
  it('queues a request to the queue of the stack, under the name of its stream', async () => {
    const { code, printed } = await account.json([...byStack, '--hour', HOUR]);
    expect(code).toBe(0);
    const request = { source: TEMPLATE, hour: HOUR, stream: 'checkout' };
    expect(printed).toEqual({
      status: 'queued',
      request,
      queueUrl: account.queueUrl,
      messageId: expect.any(String) as string,
    });
    expect(await takeAll(account)).toEqual([request]);
    expect(account.stub.calls.slice(0, 2)).toEqual(['DescribeStacks', 'AmazonSQS.SendMessage']);
  });

  it('takes --stream in place of --source, and finds the stream of a prefix', async () => {
    const byName = ['rerun', '--stack', STACK, '--stream', 'checkout', '--hour', HOUR];
    const source = 's3://application-logs/raw/checkout/20251121/08/';
    const byPrefix = ['rerun', '--stack', STACK, '--source', source];
    expect((await account.json(byName)).code).toBe(0);
    expect((await account.json(byPrefix)).code).toBe(0);
    expect(await takeAll(account)).toEqual([
      { source: TEMPLATE, hour: HOUR, stream: 'checkout' },
      { source, stream: 'checkout' },
    ]);
  });

  it.each([
    ['allows any prefix', 'true'],
    ['is of a release that does not say', undefined],
  ])('queues another prefix where the stack %s', async (_, allowAnyPrefix) => {
    const outputs = new Map(Object.entries(account.stub.stacks[STACK] ?? {}));
    outputs.delete(STACK_OUTPUTS.allowAnyPrefix);
    if (allowAnyPrefix !== undefined) outputs.set(STACK_OUTPUTS.allowAnyPrefix, allowAnyPrefix);
    account.stub.stacks[STACK] = Object.fromEntries(outputs);
    const source = 's3://application-logs/raw/checkout/20251121/';
    expect((await account.json(['rerun', '--stack', STACK, '--source', source])).code).toBe(0);
    expect(await takeAll(account)).toEqual([{ source }]);
  });

  it('takes every field of a request, and --queue-url', async () => {
    const source = 's3://application-logs/raw/checkout/20251121/08/';
    const destination = 's3://application-logs/aggregated/elsewhere/';
    const { printed } = await account.json([
      ...['rerun', '--queue-url', account.queueUrl, '--source', source, '--destination', destination],
      ...['--stream', 'by-hand', '--force', '--repack'],
    ]);
    const request = { source, destination, stream: 'by-hand', force: true, repack: true };
    expect(printed).toMatchObject({ status: 'queued', request });
    expect(await takeAll(account)).toEqual([request]);
    expect(account.stub.calls).not.toContain('DescribeStacks');
  });

  it('prints its result as a table', async () => {
    const { code, stdout, stderr } = await account.cli([...byStack, '--hour', HOUR]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(
      /^queued\n {2}source +s3:.*\n {2}hour +2025-11-21T08\n {2}queue +http.*\n {2}message +\S+\n$/,
    );
  });
});

describe('rerun --invoke', () => {
  it('waits for the answer of the function and prints it', async () => {
    const payloads: unknown[] = [];
    const result = { status: 'committed', source: 's3://x/', objects: 3, durationSeconds: 1.5 };
    account.stub.functions[FUNCTION] = (payload) => {
      payloads.push(payload);
      return result;
    };
    const { code, printed } = await account.json([...byStack, '--hour', HOUR, '--invoke']);
    const request = { source: TEMPLATE, hour: HOUR, stream: 'checkout' };
    expect(code).toBe(0);
    expect(printed).toEqual({ status: 'committed', request, function: FUNCTION, result });
    expect(payloads).toEqual([request]);
    const { stdout, stderr } = await account.cli([...byStack, '--hour', HOUR, '--invoke']);
    expect(stdout).toMatch(/^committed\n.*objects +3\n {2}durationSeconds +1.5\n$/s);
    expect(stderr).toMatch(/^rolling up: LogRollup-Function-1A2B3C, 0 s\n/);
  });

  it('ends with 1 and the code of the function if that failed', async () => {
    account.stub.functions['by-name'] = () => {
      throw Object.assign(new Error('GetObject: slow down.'), { name: 'SlowDown' });
    };
    const args = ['rerun', '--function', 'by-name', '--source', TEMPLATE, '--hour', HOUR, '--invoke'];
    expect(await account.failure(args)).toEqual({
      code: 1,
      error: { code: 'SlowDown', message: 'GetObject: slow down.' },
    });
    expect(account.stub.calls).toEqual(['Invoke']);
  });

  it('ends with 1 if the function did not finish the hour', async () => {
    account.stub.functions[FUNCTION] = () => ({ status: 'incomplete' });
    const { code, printed } = await account.json([...byStack, '--hour', HOUR, '--invoke']);
    expect({ code, status: printed['status'] }).toEqual({ code: 1, status: 'incomplete' });
  });
});

describe('rerun refuses', () => {
  const source = ['--source', TEMPLATE];
  const hour = ['--hour', HOUR];
  it.each<[string, string[], { code: number; error: { code: string; message: RegExp } }]>([
    ['no source', ['--stack', STACK], usage(/^Give --source or --stream\.$/)],
    ['a stream without an hour', ['--stack', STACK, '--stream', 'checkout'], usage(/^--hour is missing/)],
    [
      'a stream that nothing tells of',
      ['--queue-url', 'http://127.0.0.1:1/q', '--stream', 'checkout', ...hour],
      usage(/^--stream without --source needs --stack/),
    ],
    [
      'a stream that the stack does not have',
      ['--stack', STACK, '--stream', 'chekout', ...hour],
      failed('OutsideStream', /no stream "chekout"\. Streams are checkout \(s3:/),
    ],
    [
      'the hour of a stream that goes on',
      ['--stack', STACK, '--stream', 'checkout', '--hour', '2999-01-01T00'],
      failed('HourNotEnded', /--force/),
    ],
    [
      'the prefix of an hour that goes on',
      ['--source', 's3://application-logs/raw/checkout/29990101/00/', '--stack', STACK],
      failed('HourNotEnded', /^Hour 2999-01-01T00 goes on\. Give --force/),
    ],
    [
      'what is no hour of a stream',
      ['--source', 's3://application-logs/raw/', '--stack', STACK],
      failed('OutsideStream', /no hour of a stream.*Streams are checkout \(/),
    ],
    [
      'a destination that is not that of the stream',
      [...source, ...hour, '--stack', STACK, '--destination', 's3://application-logs/aggregated/x/'],
      failed('OutsideStream', /leave the destination out/),
    ],
    [
      'a name that is not that of the stream',
      [...source, ...hour, '--stack', STACK, '--stream', 'by-hand'],
      failed('OutsideStream', /not of "by-hand"/),
    ],
    ['no deployment', [...source, ...hour], usage(/^Give --stack or --queue-url\.$/)],
    [
      'no function',
      [...source, ...hour, '--queue-url', 'http://127.0.0.1:1/q', '--invoke'],
      usage(/--function/),
    ],
    ['no hour', [...source, '--stack', STACK], usage(/--hour is missing/)],
    ['a bad hour', [...source, '--hour', '8', '--stack', STACK], usage(/--hour "8" is not an hour/)],
    [
      'an hour that fills nothing',
      ['--source', 's3://application-logs/raw/checkout/', ...hour, '--stack', STACK],
      usage(/--hour 2025-11-21T08 fills nothing/),
    ],
    ['a bad source', ['--source', 'raw/x/', '--stack', STACK], usage(/"raw\/x\/" is not a location/)],
    [
      'a bad endpoint',
      [...source, ...hour, '--stack', STACK, '--endpoint-url', 'x'],
      usage(/--endpoint-url/),
    ],
    [
      'an hour that goes on',
      [...source, '--hour', '2999-01-01T00', '--stack', STACK],
      failed('HourNotEnded', /--force/),
    ],
    [
      'what the stack is not for',
      ['--source', 's3://elsewhere/raw/', '--stack', STACK],
      failed('OutsideRoot', /not under s3:\/\/application-logs\/raw\//),
    ],
    [
      'a stack that is not there',
      [...source, ...hour, '--stack', 'None'],
      failed('NoSuchStack', /None.*region/),
    ],
    [
      'a stack of something else',
      [...source, ...hour, '--stack', 'Other'],
      failed('NotARollupStack', /Other has no output QueueUrl/),
    ],
    [
      'a queue that is not there',
      [...source, ...hour, '--queue-url', 'STUB/000000000000/gone'],
      failed('NoSuchQueue', /gone/),
    ],
    [
      'a function that is not there',
      [...source, ...hour, '--function', 'gone', '--invoke'],
      failed('NotFound', /Function not found: gone/),
    ],
    [
      'a service that does not answer',
      [...source, ...hour, '--stack', STACK, '--endpoint-url', 'http://127.0.0.1:1'],
      failed('EndpointUnreachable', /ECONNREFUSED/),
    ],
  ])('%s', async (_, args, { code, error }) => {
    account.stub.stacks['Other'] = { Url: 'https://example.com' };
    const typed = args.map((arg) => arg.replace('STUB', account.stub.endpoint));
    const ended = await account.failure(['rerun', ...typed]);
    expect(ended).toMatchObject({ code, error: { code: error.code } });
    expect(ended.error['message']).toMatch(error.message);
    expect(await takeAll(account)).toEqual([]);
  });
});

function usage(message: RegExp) {
  return { code: 2, error: { code: 'InvalidArgument', message } };
}

function failed(code: string, message: RegExp) {
  return { code: 1, error: { code, message } };
}
