#!/usr/bin/env node
import { extract } from './commands/extract.ts';
import { plan } from './commands/plan.ts';
import { run } from './commands/run.ts';
import { verify } from './commands/verify.ts';
import { runProgram } from './program.ts';

/** The registry of commands and the exit code. A command that ended badly without an error has set it already. */
const failed = await runProgram([run, plan, verify, extract], process.argv.slice(2));
process.exitCode = failed ?? process.exitCode ?? 0;
