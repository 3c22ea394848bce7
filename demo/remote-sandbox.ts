import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Order, Seen } from './sandbox-process.ts';

/** A sandbox in a process of its own, so that the memory and descriptors of the client are measured without it. */
export interface RemoteSandbox {
  endpoint: string;
  /** Requests that the server got since the last call of `seen`. */
  seen(): Promise<Seen>;
  /** Resolves when the process is gone. */
  close(): Promise<void>;
}

export interface RemoteSandboxOptions {
  bucket: string;
  rawPrefix: string;
  /** Folder of the sandbox; without one, it is in memory. */
  folder?: string | undefined;
}

export async function startRemoteSandbox({
  folder,
  ...options
}: RemoteSandboxOptions): Promise<RemoteSandbox> {
  const child = fork(join(import.meta.dirname, 'sandbox-process.ts'), { stdio: 'inherit' });
  const exited = once(child, 'exit');
  const close = async (): Promise<void> => {
    if (child.connected) child.disconnect();
    await exited;
  };
  try {
    const start: Order = { type: 'start', ...options, ...(folder === undefined ? {} : { folder }) };
    const endpoint = await ask<string>(child, exited, start);
    return { endpoint, seen: () => ask<Seen>(child, exited, { type: 'seen' }), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function ask<Answer>(child: ChildProcess, exited: Promise<unknown>, order: Order): Promise<Answer> {
  const answered = once(child, 'message');
  child.send(order);
  const ended = exited.then(() => {
    throw new Error('The process of the sandbox ended.');
  });
  const [answer] = (await Promise.race([answered, ended])) as [Answer];
  return answer;
}
