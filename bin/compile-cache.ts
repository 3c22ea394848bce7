import { homedir } from 'node:os';
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

/**
 * Caches the compiled code of all modules, of the SDK above all: it saves a third of a second, and memory. To be called before
 * they are imported. In the repository the cache lies in its node_modules; an installed package may lie where its user cannot
 * write, and others can write to the system's temporary folder, which Node would take.
 */
export function cacheCompiledCode(): void {
  const isSource = import.meta.filename.endsWith('.ts');
  const ofUser = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const ofRepository = join(import.meta.dirname, '..', 'node_modules', '.cache', 'node');
  enableCompileCache(isSource ? ofRepository : join(ofUser, 's3-log-rollup'));
}
