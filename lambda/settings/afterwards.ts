import { toggle } from './value-types.ts';
import { group, row } from './row.ts';

/** Settings of the commit and what follows it. */
export const afterwards = group('After the commit:', {
  /**
   * End with `NoSources`, and commit nothing, where there is nothing to roll up.
   *
   * @defaultValue false: an empty rollup is committed, with a warning
   */
  failOnEmpty: row(toggle(), {
    default: false,
    description: 'end with an error, and commit nothing, where there is nothing to roll up',
  }),
  /**
   * Write `_SUCCESS` beside the manifest.
   *
   * @defaultValue false
   */
  successMarker: row(toggle(), {
    default: false,
    description: 'write _SUCCESS, for readers that wait for it',
  }),
  /**
   * Keep `_symlink_format_manifest/manifest` and `_sources/` true to the manifest: see docs/readers.md.
   *
   * @defaultValue false
   */
  symlinkManifest: row(toggle(), {
    default: false,
    description: 'write the list of outputs for Athena, Trino, Hive; a copy of the index',
  }),
  /**
   * Delete committed sources from raw, once the output that holds them was verified: see
   * docs/decisions/0002-deleting-sources.md.
   *
   * @defaultValue false
   */
  deleteSource: row(toggle(), {
    default: false,
    description: 'delete from raw what is committed, after the output that holds it was verified',
  }),
});
