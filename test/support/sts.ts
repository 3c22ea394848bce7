import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export const ROLE = 'arn:aws:iam::444455556666:role/read-logs';
export const ASSUMED = {
  accessKeyId: 'ASIAROLE',
  secretAccessKey: 'secret of the role',
  sessionToken: 'token of the role',
};

export interface Sts extends AsyncDisposable {
  endpoint: string;
  /** Whose credentials asked, and for what. */
  asked: string[];
}

/** STS, as far as it gives everybody the credentials of one role. */
export async function startSts(): Promise<Sts> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const { headers } = request;
      asked.push(`${headers.authorization?.match(/Credential=([^/]+)/)?.[1] ?? ''} ${body}`);
      response.setHeader('content-type', 'text/xml');
      response.end(
        `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
        <AccessKeyId>${ASSUMED.accessKeyId}</AccessKeyId><SecretAccessKey>${ASSUMED.secretAccessKey}</SecretAccessKey>
        <SessionToken>${ASSUMED.sessionToken}</SessionToken><Expiration>${new Date(Date.now() + 3_600_000).toISOString()}</Expiration>
        </Credentials></AssumeRoleResult></AssumeRoleResponse>`,
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
