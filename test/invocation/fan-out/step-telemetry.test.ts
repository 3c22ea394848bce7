import { expect, it, vi } from 'vitest';
import { logger, reportStep } from '../../../lambda/invocation/telemetry.ts';

// Metrics would be printed among the results of tests.
vi.hoisted(() => {
  process.env['POWERTOOLS_METRICS_DISABLED'] = 'true';
});

const USAGE = {
  durationSeconds: 1,
  requests: { list: 0, get: 1, put: 1, copy: 0, delete: 0, retries: 0 },
  peak: { connections: 1, rssBytes: 1, inFlightBytes: 1 },
};

it('a step that noticed something is logged as a warning, any other as information', () => {
  const warn = vi.spyOn(logger, 'warn').mockReturnValue(undefined);
  const info = vi.spyOn(logger, 'info').mockReturnValue(undefined);
  const warnings = [{ code: 'ArrivedDamaged', message: 'a.log arrived damaged.', key: 'a.log' }];
  reportStep('checkout', { status: 'written', warnings }, USAGE);
  expect(warn).toHaveBeenCalledExactlyOnceWith('step', expect.objectContaining({ warnings }));
  expect(info).not.toHaveBeenCalled();
  reportStep('checkout', { status: 'written' }, USAGE);
  expect(info).toHaveBeenCalledOnce();
});
