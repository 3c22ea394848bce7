#!/usr/bin/env node
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

// Caches the compiled code of all modules, of the SDK above all: it saves a third of a second, and memory.
enableCompileCache(join(import.meta.dirname, '..', 'node_modules', '.cache', 'node'));
// Imported dynamically, so that the cache is enabled first.
const { commands } = await import('./commands.ts');
const { runProgram } = await import('./program.ts');

// A command that ended badly without an error has set the exit code itself.
const failed = await runProgram(commands, process.argv.slice(2));
process.exitCode = failed ?? process.exitCode ?? 0;
