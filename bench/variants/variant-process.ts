import { answerOrders } from '../process/orders.ts';
import type { Job, Variant, VariantName } from './variant.ts';

export type VariantOrder = { type: 'load'; name: VariantName } | { type: 'run'; job: Job };

/** Usage of a program, measured by itself. CPU time is user and system time of all its threads. */
export interface Used {
  cpuSeconds: number;
  wallSeconds: number;
  /** Peak over the life of the process. */
  rssBytes: number;
}

let variant: Variant | undefined;

answerOrders(async (order: VariantOrder): Promise<Used | undefined> => {
  if (order.type === 'load') {
    variant = await load(order.name);
    return undefined;
  }
  if (variant === undefined) throw new Error('No variant was loaded.');
  // Loading is not measured: as deployed, the function is one bundle.
  const cpuBefore = process.cpuUsage();
  const began = performance.now();
  await variant(order.job);
  const wallSeconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  return {
    cpuSeconds: (user + system) / 1e6,
    wallSeconds,
    rssBytes: process.resourceUsage().maxRSS * 1024,
  };
});

async function load(name: VariantName): Promise<Variant> {
  switch (name) {
    case 'floor':
      return (await import('./floor.ts')).floor;
    case 'https':
      return (await import('./https.ts')).https;
    case 'simple':
      return (await import('./simple.ts')).simple;
    case 's3-log-rollup':
      return (await import('./rollup.ts')).rollup;
  }
}
