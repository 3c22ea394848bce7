#!/usr/bin/env node
import { refusalOfNode } from './node-version.ts';

// Everything else is imported dynamically: an older Node ends at the first import of a name that it does not have.
const refusal = refusalOfNode(process.versions.node);
if (refusal === undefined) {
  const { cacheCompiledCode } = await import('./compile-cache.ts');
  cacheCompiledCode();
  // After the cache is enabled.
  const { commands } = await import('./commands.ts');
  const { runProgram } = await import('./program.ts');

  // A command that ended badly without an error has set the exit code itself.
  const failed = await runProgram(commands, process.argv.slice(2));
  process.exitCode = failed ?? process.exitCode ?? 0;
} else {
  process.stderr.write(`${refusal}\n`);
  process.exitCode = 1;
}
