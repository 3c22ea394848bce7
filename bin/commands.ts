import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { backfill } from './commands/backfill.ts';
import { completion } from './commands/completion.ts';
import { ddl } from './commands/ddl.ts';
import { extract } from './commands/extract.ts';
import { plan } from './commands/plan.ts';
import { redrive } from './commands/redrive.ts';
import { report } from './commands/report.ts';
import { rerun } from './commands/rerun.ts';
import { run } from './commands/run.ts';
import { smoke } from './commands/smoke.ts';
import { status } from './commands/status.ts';
import { verify } from './commands/verify.ts';

/** Every command, in the order of the help. */
export const commands: CommandUnknownOpts[] = [
  run,
  plan,
  verify,
  extract,
  status,
  report,
  rerun,
  backfill,
  redrive,
  smoke,
  completion,
  ddl,
];
