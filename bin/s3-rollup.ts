#!/usr/bin/env node
import { cacheCompiledCode } from './compile-cache.ts';

cacheCompiledCode();
// Imported dynamically, so that the cache is enabled first.
const { commands } = await import('./commands.ts');
const { runProgram } = await import('./program.ts');

// A command that ended badly without an error has set the exit code itself.
const failed = await runProgram(commands, process.argv.slice(2));
process.exitCode = failed ?? process.exitCode ?? 0;
