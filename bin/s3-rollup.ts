#!/usr/bin/env node
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

// What a command loads (the SDK, most of all) is compiled once: a third of a second, and the memory that it takes.
enableCompileCache(join(import.meta.dirname, '..', 'node_modules', '.cache', 'node'));
// After that, or they would not be.
const { commands } = await import('./commands.ts');
const { runProgram } = await import('./program.ts');

// A command that ended badly without an error has set the exit code already.
const failed = await runProgram(commands, process.argv.slice(2));
process.exitCode = failed ?? process.exitCode ?? 0;
