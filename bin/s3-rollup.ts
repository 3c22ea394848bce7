#!/usr/bin/env node
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { backfill } from './commands/backfill.ts';
import { extract } from './commands/extract.ts';
import { plan } from './commands/plan.ts';
import { redrive } from './commands/redrive.ts';
import { rerun } from './commands/rerun.ts';
import { run } from './commands/run.ts';
import { status } from './commands/status.ts';
import { verify } from './commands/verify.ts';
import { runProgram } from './program.ts';

// What a command loads (the SDK, most of all) is compiled once: a third of a second, and the memory that it takes.
enableCompileCache(join(import.meta.dirname, '..', 'node_modules', '.cache', 'node'));

/** The registry of commands and the exit code. A command that ended badly without an error has set it already. */
const commands = [run, plan, verify, extract, status, rerun, backfill, redrive];
const failed = await runProgram(commands, process.argv.slice(2));
process.exitCode = failed ?? process.exitCode ?? 0;
