/**
 * What this program writes under a destination besides outputs: manifest, index, sidecars, plans, markers and trials,
 * as docs/architecture.md lists them. `_SUCCESS` is also Hadoop's and Spark's.
 */
const OWN_NAME =
  /(^|\/)(_manifest\.json|_SUCCESS|_sources-[0-9a-f]{12}\.jsonl\.gz|_sources\/sources\.jsonl\.gz|_symlink_format_manifest\/manifest|_frames\/(part-\d{5,}-[0-9a-f]{12}|[^]+\/part-\d{5,}-[0-9a-f]{12}-[0-9a-f]{8})(\.[a-z0-9]+)*\.json\.gz|_plan\/[0-9a-f]{16}(\.json|\.jsonl|\.items\.jsonl|\.mistaken\.json)|_delete-proof-[0-9a-f]{12})$/;

/**
 * True of a name, below any prefix, that this program gives to an object which is no log: where hours are rolled up into
 * a day, each hour has them.
 */
export function isOwnName(name: string): boolean {
  return OWN_NAME.test(name);
}
