/**
 * What to tell somebody whose Node cannot run the command line; undefined for one that can. The releases are those of `engines`
 * in package.json.
 *
 * @param version as `process.versions.node` has it: `22.21.0`
 */
export function refusalOfNode(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const runs = (major === 22 && minor >= 21) || (major === 24 && minor >= 5) || major > 24;
  if (runs) return undefined;
  return `error: s3-rollup needs Node 22.21 or 24.5, or later: this is ${version}. Node 23 will not do.`;
}
