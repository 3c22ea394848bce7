/**
 * Imported before the function. Its waits between two attempts, and those of the SDK's rate limiter after throttling, are a
 * hundred times as short. Timeouts and deadlines are not changed.
 */
import { syncBuiltinESMExports } from 'node:module';
import timers from 'node:timers/promises';
import { getCallSites } from 'node:util';

const FASTER = 100;

const wait = timers.setTimeout;
timers.setTimeout = (ms, ...rest) => wait((ms ?? 0) / FASTER, ...rest);
syncBuiltinESMExports();

const calledBy = (name: string): boolean =>
  getCallSites(6).some(({ functionName }) => functionName.endsWith(name));

const setTimer = globalThis.setTimeout;
globalThis.setTimeout = Object.assign(
  (callback: () => void, ms = 0) => setTimer(callback, calledBy('acquireTokenBucket') ? ms / FASTER : ms),
  setTimer,
);

const { now } = Date;
const began = now();
Date.now = () => (calledBy('getCurrentTimeInSeconds') ? began + (now() - began) * FASTER : now());
