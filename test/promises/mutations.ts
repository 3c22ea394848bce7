import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A deliberate breakage, and the test that has to notice it. */
interface Mutation {
  what: string;
  /** Texts to replace, by file. */
  patch: Record<string, [find: string, replace: string][]>;
  test: { file: string; name: string };
}

const promises = (file: string, name: string): Mutation['test'] => ({
  file: `test/promises/${file}.test.ts`,
  name,
});

const rollup = (file: string, name: string): Mutation['test'] => ({
  file: `test/rollup/${file}.test.ts`,
  name,
});

export const MUTATIONS: Mutation[] = [
  {
    what: 'sources that are deleted from a store that ignores the condition',
    patch: {
      'lambda/rollup/commit/delete-sources.ts': [
        ['await requireSafeDeletes(this.#source, this.#destination, this.#context);', ''],
      ],
    },
    test: rollup('commit/safe-deletes', 'no source is deleted, and the run says why'),
  },
  {
    what: 'answers that are believed whatever they say',
    patch: {
      'lambda/s3/confirm.ts': [
        [
          'const head = await store.head(at);',
          'if (etag) return { etag, checksum };\n  const head = await store.head(at);',
        ],
      ],
    },
    test: rollup('write/unkept', 'an output is confirmed and not kept'),
  },
  {
    what: 'committed outputs that nobody misses',
    patch: {
      'lambda/rollup/plan/list-and-plan.ts': [
        ['repack, samplesAll, missing }', 'repack, samplesAll }'],
        ['{ previous, missing }', '{ previous }'],
      ],
    },
    test: rollup('committed/missing-outputs', 'is written anew from raw'),
  },
  {
    what: 'sources that are deleted without their ETag',
    patch: { 'lambda/s3/delete.ts': [['{ ETag: quoteEtag(etag) }', '{}']] },
    test: rollup('commit/delete-sources', 'between the listing and the delete'),
  },
  {
    what: 'sources that are deleted whatever their output is',
    patch: {
      'lambda/rollup/commit/delete-sources.ts': [
        ["if (verdict?.status === 'proven') {", 'if (verdict !== undefined) {\n        return true;'],
      ],
    },
    test: rollup('commit/delete-sources', 'keeps its sources in raw'),
  },
  {
    what: 'sources that are deleted by lines that were not proven',
    patch: {
      'lambda/rollup/commit/delete-sources.ts': [
        [
          "if (verdict.ordinals === 'all' || verdict.ordinals.has(ordinal)) return true;",
          'if (verdict.ordinals || ordinal) return true;',
        ],
      ],
    },
    test: rollup('commit/proofs', 'behind the lines of another output'),
  },
  {
    what: 'proofs that outlive the manifest that they were made for',
    patch: {
      'lambda/rollup/commit/delete-sources.ts': [
        ['proven.manifest === this.#rollup?.etag &&', ''],
        ['proven.index === this.#rollup.sources.etag &&', ''],
      ],
    },
    test: rollup('commit/proofs', 'where index and manifest were replaced since its commit'),
  },
  {
    what: 'a format, and an end, that unproven bytes say',
    patch: {
      'lambda/rollup/write/assemble.ts': [
        [
          "if (!trusted || !hasCode(error, 'FormatMistaken'",
          "if (trusted || !hasCode(error, 'FormatMistaken'",
        ],
      ],
    },
    test: rollup('write/trusted-checksums', 'is not taken for another format'),
  },
  {
    what: 'a store that is trusted though it stores whatever comes',
    patch: {
      'lambda/s3/s3-store.ts': [
        ['return this.service === undefined && !(await this.#options.isElsewhere());', 'return true;'],
      ],
    },
    test: rollup('write/trusted-checksums', 'a store that stores whatever comes'),
  },
  {
    what: 'an output reused by its size',
    patch: {
      'lambda/rollup/write/output-writer.ts': [
        ['if (isTrusted?.(output) === true) return', 'if (isTrusted !== null) return'],
      ],
    },
    test: rollup('write/existing-output', 'whose sources have CRC-32s, and has other bytes, is written anew'),
  },
  {
    what: 'sources that are deleted without a proof of their output',
    patch: {
      'lambda/rollup/commit/delete-sources.ts': [
        [
          'if (output === undefined || this.#isProven(output))',
          'if (output === undefined || output.etag || this.#isProven(output))',
        ],
      ],
    },
    test: rollup('write/existing-output', 'keeps its sources in raw where it has other bytes'),
  },
  {
    what: 'sources that are deleted by a manifest that was replaced',
    patch: {
      'lambda/rollup/commit/delete-sources.ts': [
        ["if (!(await this.#isCurrent())) return 'superseded';", 'void this.#isCurrent;'],
      ],
    },
    test: rollup('commit/delete-sources', 'another commit meanwhile'),
  },
  {
    what: 'replaced outputs that go before the list of them',
    patch: {
      'lambda/rollup/commit/after-commit.ts': [
        ['const areMarkersPublished = await succeeds(', 'const areMarkersPublished = true; await succeeds('],
      ],
    },
    test: rollup('commit/markers', 'a list whose write fails keeps the outputs'),
  },
  {
    what: 'a list that is not looked at after it was written',
    patch: {
      'lambda/rollup/commit/markers.ts': [
        [
          'return (await store.head(at(MANIFEST_NAME)))?.etag === current.etag;',
          'void (await store.head(at(MANIFEST_NAME)));\n  return true;',
        ],
      ],
    },
    test: rollup('commit/markers', 'leaves no stale one behind'),
  },
  {
    what: 'no If-Match on a download',
    patch: {
      'lambda/s3/client/direct-get.ts': [["'if-match': quoteEtag(etag),", '']],
      'lambda/s3/download.ts': [['{ IfMatch: quoteEtag(etag) }', '{}']],
    },
    test: promises('faults', 'a source that changed after the listing'),
  },
  {
    what: 'no check of the length',
    patch: {
      'lambda/s3/client/read-into.ts': [['const whole = at === into.length;', 'const whole = true;']],
    },
    test: promises('faults', 'that ends early without an error'),
  },
  {
    what: 'bytes behind a body that nobody minds',
    patch: {
      'lambda/s3/transport/response-reader.ts': [['if (next > this.#into.length) return ODD;', '']],
    },
    test: { file: 'test/s3/transport/response-reader.test.ts', name: 'a byte behind the body' },
  },
  {
    what: 'a kept connection that ended, and was asked no more',
    patch: {
      'lambda/s3/client/direct-get.ts': [
        ["wasKept = got.is === 'unanswered' && got.wasKept;", 'wasKept = false;'],
      ],
    },
    test: { file: 'test/s3/transport/get-into.test.ts', name: 'with a reset costs one request more' },
  },
  {
    what: 'no check of the checksum',
    patch: {
      'lambda/s3/download.ts': [
        [
          'if (options.trusted !== true && !(await hasArrived(into, landed))) throw otherBytes(from.key);',
          '',
        ],
      ],
    },
    test: { file: 'test/s3/store.test.ts', name: 'whose bytes were changed on the way is repeated' },
  },
  {
    what: 'a source of another checksum than its output that is not looked at',
    patch: {
      'lambda/rollup/write/arrived-checksums.ts': [
        ['if (!isSame(found, checksum)) throw otherBytes(key);', ''],
      ],
    },
    test: rollup(
      'write/trusted-checksums',
      'mostly CRC-32s: in a source that lies in two parts, in the first',
    ),
  },
  {
    what: 'a source in two parts that is not looked at',
    patch: {
      'lambda/rollup/write/source-offsets.ts': [['if (!isSame(sum, whole)) throw otherBytes(key);', '']],
    },
    test: rollup('write/source-offsets', 'is compared with the one that it should have'),
  },
  {
    what: 'an existing output that is kept for unproven bytes',
    patch: {
      'lambda/rollup/write/assemble.ts': [
        ['const [damaged] = await damagedOf(arrived);', 'const [damaged] = [];'],
      ],
    },
    test: rollup('write/trusted-checksums', 'is not kept for bytes that nobody has proven'),
  },
  {
    what: 'a CRC-64/NVME of a store that does not join those of parts',
    patch: { 'lambda/s3/s3-store.ts': [["if (!joins) verified.delete('crc64nvme');", 'void joins;']] },
    test: rollup('write/told-checksums', 'not one that tells another one later'),
  },
  {
    what: 'the checksum of a copy as the store tells it',
    patch: {
      'lambda/s3/copy.ts': [
        ['checksum: await checksumOfObject(', 'checksum: told ?? await checksumOfObject('],
      ],
    },
    test: rollup('write/told-checksums', 'a copy has the CRC-32 that was asked for'),
  },
  {
    what: 'a CRC-64/NVME from a store that does not verify it',
    patch: {
      'lambda/rollup/write/arrived-checksums.ts': [["size / 2 && verified.has('crc64nvme') ?", 'size / 2 ?']],
    },
    test: rollup('write/trusted-checksums', 'takes whatever comes with a CRC-64/NVME'),
  },
  {
    what: 'a zstd source that ends with its first frame',
    patch: { 'lambda/rollup/codec/decode.ts': [['isBehindMember = true;\n        }', 'return;\n        }']] },
    test: { file: 'test/rollup/codec/streams.test.ts', name: 'many zstd frames' },
  },
  {
    what: 'a sidecar that is not written',
    patch: {
      'lambda/rollup/write/write-encoded.ts': [
        [
          "await store.put(sidecarAt, await formatSidecar(text), 'application/gzip');",
          'void [sidecarAt, await formatSidecar(text)];',
        ],
      ],
    },
    test: {
      file: 'test/rollup/codec/rebuild.test.ts',
      name: 'takes finished outputs by their sidecars',
    },
  },
  {
    what: 'an output of another release that is written over',
    patch: {
      'lambda/rollup/write/write-encoded.ts': [
        ['const isSame = isEncodedAs(output, other) &&', 'const isSame = false &&'],
      ],
    },
    test: { file: 'test/rollup/codec/rebuild.test.ts', name: 'writes over none' },
  },
  {
    what: 'a source whose kind is told by its key alone',
    patch: {
      'lambda/rollup/model/format.ts': [
        ['if (told !== undefined) {', 'if (byKey.kind !== undefined && told !== undefined) {'],
      ],
    },
    test: { file: 'test/rollup/formats.test.ts', name: 'with no extension is one .gz output' },
  },
  {
    what: 'a body whose kind is not checked as it arrives',
    patch: {
      'lambda/rollup/write/assemble.ts': [
        [
          'if (format.kind !== kind) throw new FormatMistaken',
          'if (format === undefined) throw new FormatMistaken',
        ],
      ],
    },
    test: { file: 'test/rollup/formats.test.ts', name: 'is found as it arrives' },
  },
  {
    what: 'a plan that does not learn from its mistake',
    patch: { 'lambda/rollup/attempts.ts': [['state.samplesAll = true;', '']] },
    test: { file: 'test/rollup/formats.test.ts', name: 'is found as it arrives' },
  },
  {
    what: 'keys of outputs that do not say the kind',
    patch: {
      'lambda/rollup/plan/pack.ts': [
        ['generation, mode, kind, ensureNewline', 'generation, mode, ensureNewline'],
      ],
    },
    test: { file: 'test/rollup/plan/planner.test.ts', name: 'says what its sources were taken for' },
  },
  {
    what: 'sources that are deleted though no tool reads them out of their output',
    patch: {
      'lambda/rollup/write/prove.ts': [
        ["if (kind.differs !== undefined) return { status: 'differs', why: kind.differs };", ''],
      ],
    },
    test: { file: 'test/rollup/formats.test.ts', name: 'not what an earlier release joined as text' },
  },
  {
    what: 'zeros behind a gzip member that are joined with what follows',
    patch: {
      'lambda/rollup/write/assemble.ts': [
        ['if (pieces.length > 1 && !isLost) await requireWhole(key, kind, first.bytes);', ''],
      ],
    },
    test: { file: 'test/rollup/formats.test.ts', name: 'zeros behind a gzip member would hide' },
  },
  {
    what: 'an end of gzip that fits no member, and is taken for one',
    patch: {
      'lambda/rollup/codec/whole.ts': [
        ["return endsAsOneMember(body) ? 'whole' : 'unsure';", "return 'whole';"],
      ],
    },
    test: rollup('formats', '1 zeros behind a gzip member are seen'),
  },
  {
    what: 'another format within what is decoded',
    patch: {
      'lambda/rollup/codec/charsets.ts': [
        ['const format = formatOfText(bytes);', "const format = { kind: 'plain' } as const;"],
      ],
    },
    test: rollup('formats', 'gzip within gzip is no text'),
  },
  {
    what: 'sources that are deleted from behind zeros in a joined output',
    patch: {
      'lambda/rollup/write/prove-kind.ts': [
        ['(isPadded as boolean) ?', '(isPadded as boolean) && key === undefined ?'],
      ],
    },
    test: rollup('formats', 'though zeros lie behind'),
  },
  {
    what: 'hidden names that are rolled up',
    patch: {
      'lambda/rollup/plan/select.ts': [
        ['return isHidden(name, begun) ? HIDDEN : undefined;', 'return undefined;'],
      ],
    },
    test: rollup('plan/hidden', 'are left out, counted, no late arrivals'),
  },
  {
    what: "this program's own objects that are rolled up",
    patch: { 'lambda/rollup/plan/select.ts': [['if (isOwnName(name)) return OWN;', '']] },
    test: rollup('plan/hidden', 'rolling hours up into a day'),
  },
  {
    what: 'a restored object that is still taken for archived',
    patch: { 'lambda/rollup/plan/reconcile.ts': [["return object.archive !== 'restored';", 'return true;']] },
    test: rollup('archived', 'that has been restored is rolled up'),
  },
  {
    what: 'an unconditional commit',
    patch: {
      'lambda/rollup/commit/put-manifest.ts': [
        ["previous === undefined ? 'absent' : { etag: previous.etag }", "undefined as 'absent' | undefined"],
      ],
    },
    test: promises('interleavings', 'lose nothing'),
  },
  {
    what: 'a sweep without age',
    patch: {
      'lambda/rollup/commit/cleanup.ts': [
        ['const SWEEP_AGE_MS = 60 * 60 * 1000;', 'const SWEEP_AGE_MS = 0;'],
      ],
    },
    test: promises('counter-examples', 'leaves alone what was written 59 minutes ago'),
  },
  {
    what: 'a failure that stops nothing',
    patch: {
      'lambda/concurrency.ts': [['stop.abort(aborted());', 'stop.signal.throwIfAborted();']],
    },
    test: promises('stopping', 'stops what else it was going to do'),
  },
  {
    what: 'keys in the order of a locale',
    patch: {
      'lambda/rollup/model/key-order.ts': [
        ['  const shared = Math.min', '  if (a !== b) return a.localeCompare(b);\n  const shared = Math.min'],
      ],
    },
    test: promises('model', 'is committed as the model says'),
  },
  {
    what: 'a loser that deletes what the winner names',
    patch: {
      'lambda/rollup/commit/cleanup.ts': [
        ['const kept = namedBy(current.manifest);', 'const kept = namedBy(undefined);'],
      ],
    },
    test: promises('interleavings', 'lose nothing'),
  },
  {
    what: 'a sweep that does not replace the manifest',
    patch: {
      'lambda/rollup/commit/after-commit.ts': [
        [
          'const replaced = await replaceManifestByItself(store, destination, committed.current, now());',
          'const replaced = committed.current; void [replaceManifestByItself, now];',
        ],
      ],
    },
    test: promises('counter-examples', 'a run that was slow for hours'),
  },
  {
    what: 'a sweep that goes by the time at which an earlier manifest was put back',
    patch: {
      'lambda/rollup/commit/cleanup.ts': [
        [
          'Math.min(Date.parse(listed.lastModified), Date.parse(manifest.createdAt))',
          'Date.parse(listed.lastModified)',
        ],
      ],
    },
    test: rollup('two-runs', 'replaced an earlier manifest that was put back'),
  },
  {
    what: 'keys that are not bound to a commit',
    patch: { 'lambda/rollup/plan/planner.ts': [["basis: committed?.etag ?? '',", "basis: '',"]] },
    test: promises('counter-examples', 'a loser deletes nothing that a run planned from the winner'),
  },
  {
    what: 'keys that are bound to what is committed, without its generation',
    patch: {
      'lambda/rollup/plan/planner.ts': [['basis: committed?.etag', 'basis: committed?.manifest.sources.key']],
    },
    test: promises('counter-examples', 'a repack that lost to a sweep'),
  },
  {
    what: 'keys that are bound to what is committed, and not to its manifest',
    patch: {
      'lambda/rollup/plan/planner.ts': [
        [
          "basis: committed?.etag ?? '',",
          "basis: committed ? `${committed.manifest.generation}:${committed.manifest.sources.key}` : '',",
        ],
      ],
    },
    test: promises('counter-examples', 'one empty manifest was replaced by another'),
  },
  {
    what: 'a manifest that is no later than the one before',
    patch: { 'lambda/rollup/model/manifest.ts': [['Date.parse(previous.createdAt) + 1;', '0;']] },
    test: rollup('model/manifest', 'is later than the one that it replaces'),
  },
  {
    what: 'deletes where no manifest stands',
    patch: {
      'lambda/rollup/commit/cleanup.ts': [
        [
          'if (current === undefined || isEarlier(current.manifest, after)) break;',
          'if (!current) { await store.delete(bucket, keys); break; }',
        ],
      ],
    },
    test: promises('counter-examples', 'a loser deletes nothing while no manifest stands'),
  },
  {
    what: 'a commit that does not look for what is new',
    patch: {
      'lambda/rollup/commit/put-manifest.ts': [
        [
          'if ((await store.head({ bucket: destination.bucket, key }))?.etag === etag) continue;',
          'if (etag) continue;',
        ],
      ],
    },
    test: promises('counter-examples', 'a slow first run commits nothing'),
  },
  {
    what: 'uploads that overwrite',
    patch: {
      'lambda/s3/upload.ts': [['checksumParams(checksum), condition);', 'checksumParams(checksum));']],
    },
    test: promises('stopping', 'does not overwrite an output that was committed'),
  },
  {
    what: 'the beginning of an upload is cut off',
    patch: {
      'lambda/s3/upload.ts': [
        [
          'if (command instanceof CreateMultipartUploadCommand)\n      return withGrace(signal, (abortSignal) => client.send(command, { abortSignal }));',
          'void CreateMultipartUploadCommand;',
        ],
      ],
    },
    test: promises('stopping', 'ends an upload that was just being begun'),
  },
  {
    what: 'checksums not combined',
    patch: {
      'lambda/rollup/write/source-offsets.ts': [
        ['part = crc.combine(part, checksum, length);', 'part = checksum;'],
      ],
    },
    test: promises('model', 'is committed as the model says'),
  },
  {
    what: 'a newline behind every source',
    patch: {
      'lambda/rollup/write/source-offsets.ts': [
        ['output.ensureNewline && buffer[end - 1] !== NEWLINE;', 'output.ensureNewline;'],
      ],
    },
    test: promises('model', 'is committed as the model says'),
  },
  {
    what: 'a changed source that stays as it was',
    patch: {
      'lambda/rollup/plan/reconcile.ts': [
        [
          'return listed.etag === committed.etag && listed.size === committed.size;',
          'return listed.size === listed.size && committed.size >= 0;',
        ],
      ],
    },
    test: promises('model', 'is committed as the model says'),
  },
  {
    what: 'header lines that are not in the key of an output',
    patch: {
      'lambda/rollup/plan/pack.ts': [['...grouped, ...headers]', '...grouped, ...headers.slice(1)]']],
    },
    test: rollup('header-lines', 'has other keys'),
  },
  {
    what: 'first lines that are left out whatever they are',
    patch: {
      'lambda/rollup/codec/header-lines.ts': [
        ['.equals(header.subarray(same, same + compared))', '.equals(chunk.subarray(0, compared))'],
      ],
    },
    test: rollup('codec/header-lines', 'are left out of every text but the first'),
  },
  {
    what: 'a header without a bound',
    patch: {
      'lambda/rollup/codec/header-lines.ts': [
        [
          'if (this.#found === this.#lines || this.#length > MOST_HEADER) return;',
          'if (this.#found === this.#lines) return;',
        ],
        ['if (this.#length > MOST_HEADER) this.#chunks', 'if (this.#length < 0) this.#chunks'],
      ],
    },
    test: rollup('codec/header-lines', 'and stay where they have more'),
  },
  {
    what: 'chunks of a body that wait for the garbage collector',
    patch: { 'lambda/s3/download.ts': [['          release(chunk);', '']] },
    test: { file: 'test/s3/store.test.ts', name: 'gives chunks that are valid until the next' },
  },
  {
    what: 'decoded chunks that wait for the garbage collector',
    patch: { 'lambda/rollup/codec/zlib-stream.ts': [['        this.#done(out);', '']] },
    test: rollup('codec/streams', 'is valid until the next is asked for'),
  },
  {
    what: 'a header whose lines are kept without a copy',
    patch: {
      'lambda/rollup/codec/header-lines.ts': [
        ['this.#chunks.push(Buffer.from(lines))', 'this.#chunks.push(lines)'],
      ],
    },
    test: rollup('codec/header-lines', 'are left out of every text but the first'),
  },
  {
    what: 'an index of sources that is held whole',
    patch: {
      'lambda/rollup/commit/spool.ts': [['if (this.heldBytes > this.#most)', 'if (this.heldBytes < 0)']],
    },
    test: rollup('commit/large-index', 'is spooled, uploaded in parts'),
  },
  {
    what: 'an index that does not say which header was left out',
    patch: {
      'lambda/rollup/commit/sources-index.ts': [['length, encoding, header })', 'length, encoding })']],
    },
    test: rollup('header-lines', 'is exact'),
  },
  {
    what: 'a manifest of version 1 that earlier releases misread',
    patch: {
      'lambda/rollup/model/manifest.ts': [['&& !hasHeaders ? 1 : 2;', '? 1 : 2;']],
    },
    test: rollup('header-lines', 'is exact'),
  },
  {
    what: 'headers that are kept and not counted',
    patch: {
      'lambda/rollup/codec/sidecar.ts': [['Math.max(0, whole.length - 1)', 'Math.max(0, whole.length - 2)']],
    },
    test: rollup('header-lines', 'by their sidecars'),
  },
  {
    what: 'a sidecar that is believed whatever it leaves out',
    patch: { 'lambda/rollup/codec/sidecar.ts': [['header > end || ', '']] },
    test: rollup('header-lines', 'that it leaves out more than is in front of it'),
  },
  {
    what: 'extract without the header',
    patch: {
      'lambda/rollup/inspect/extract.ts': [
        ['if (header > 0) yield* store', 'if (header < 0) yield* store'],
        ['if (header > 0) yield reader', 'if (header < 0) yield reader'],
      ],
    },
    test: rollup('header-lines', 'is exact'),
  },
  {
    what: 'a restore that replaces what others write',
    patch: {
      'lambda/rollup/inspect/restore.ts': [
        ["(this.#request.overwrite ? {} : { condition: 'absent' })", '{}'],
      ],
    },
    test: { file: 'test/bin/extract/extract-to-s3.test.ts', name: 'never overwrites' },
  },
  {
    what: 'a restore that compares sizes alone',
    patch: {
      'lambda/rollup/inspect/restore.ts': [
        ["(await this.#holds(at, existing, whole)) ? 'present'", "existing.size >= 0 ? 'present'"],
      ],
    },
    test: { file: 'test/bin/extract/extract-to-s3.test.ts', name: 'of the same size' },
  },
  {
    what: 'a repack that forgets headers',
    patch: { 'lambda/rollup/plan/reconcile.ts': [['...(header === undefined ? {} : { header }),', '']] },
    test: rollup('header-lines', 'is exact'),
  },
  {
    what: 'a repack of plain text that forgets headers',
    patch: {
      'lambda/rollup/model/endpoints.ts': [
        ['if (header === 0) return [own];', 'if (header >= 0) return [own];'],
      ],
    },
    test: rollup('header-lines', 'with codec none, in outputs of several parts'),
  },
  {
    what: 'a repack of compressed text that forgets headers',
    patch: { 'lambda/rollup/codec/committed-text.ts': [['if (head.length > 0) yield head;', '']] },
    test: rollup('header-lines', 'with codec gzip, in outputs of several parts'),
  },
  {
    what: 'a copy of one range of two',
    patch: {
      'lambda/rollup/write/copy-source.ts': [['origins.length === 1 ? origins : []', 'origins.toReversed()']],
    },
    test: rollup('header-lines', 'can be so large'),
  },
  {
    what: 'sources that are deleted whatever their header was',
    patch: {
      'lambda/rollup/write/prove.ts': [
        [
          'isSame(sum.value, text.checksum)) continue;',
          '(isSame(sum.value, text.checksum) || source.header !== undefined)) continue;',
        ],
      ],
    },
    test: rollup('header-lines', 'are kept in raw where the index says another header'),
  },
  {
    what: 'a deep verify that passes over headers',
    patch: {
      'lambda/rollup/inspect/compare.ts': [['if (headDiffers !== undefined)', 'if (headDiffers === -1)']],
    },
    test: rollup('header-lines', 'are kept in raw where the index says another header'),
  },
  {
    what: 'a header from behind its source',
    patch: { 'lambda/rollup/inspect/verify.ts': [['header <= offset && ', '']] },
    test: rollup('header-lines', 'or the index is inconsistent'),
  },
  {
    what: 'a plan with a header that the index does not have',
    patch: { 'lambda/rollup/fan-out/check-commit.ts': [['from.encoding, from.header);', 'from.encoding);']] },
    test: rollup('fan-out/forged-plans', 'of another length than its own'),
  },
  {
    what: 'a plan with a header from behind its source',
    patch: { 'lambda/rollup/fan-out/check-plan.ts': [[' && (from.header ?? 0) <= from.offset', '']] },
    test: rollup('fan-out/forged-plans', 'that is behind it'),
  },
  {
    what: 'a plan with header lines of its own',
    patch: { 'lambda/rollup/fan-out/check-plan.ts': [['headerLines: shape.headerLines,', '']] },
    test: rollup('fan-out/forged-plans', 'header lines of its own'),
  },
  {
    what: 'header lines of what is joined compressed',
    patch: {
      'lambda/rollup/plan/planner.ts': [
        ["if (headerLines > 0) return kind === 'plain';", 'if (headerLines > 0) return kind !== undefined;'],
      ],
      'lambda/rollup/codec/source-format.ts': [
        ["if (settings.codec === 'keep' &&", "if (settings.codec === 'none' &&"],
      ],
    },
    test: rollup('header-lines', 'refuses sources that are joined compressed'),
  },
  {
    what: 'old leftovers that nobody deletes',
    patch: {
      'lambda/rollup/commit/after-commit.ts': [
        [
          'const swept = await deleteUnnamed(store, destination, others, manifest);',
          'const swept = others.slice(0, 0);',
        ],
      ],
    },
    test: promises('interleavings', 'lose nothing'),
  },
  {
    what: 'retries without end',
    patch: {
      'lambda/s3/client/retry.ts': [
        [
          'if (!isWorthIt || now >= until || now + waitMs > until)',
          'if (!isWorthIt && isThrottle && until < 0)',
        ],
      ],
    },
    test: promises('faults', 'an expired token .403. is not tried again'),
  },
  {
    what: 'one request alone slows down',
    patch: {
      'lambda/s3/client/retry.ts': [['return this.#limiter.getSendToken();', 'return Promise.resolve();']],
    },
    test: promises('pace', 'slows all of them'),
  },
];

const ROOT = join(import.meta.dirname, '../..');
const CONFIG = `export default { test: { include: ['test/**/*.test.ts'], setupFiles: ['test/support/poison-chunks.ts'], testTimeout: 120_000, maxWorkers: 1 } };\n`;

/** A copy of the tree that can be broken. */
function copyTree(): string {
  const copy = mkdtempSync(join(tmpdir(), 'mutations-'));
  for (const folder of [
    'bin',
    'lambda',
    'lib',
    'sandbox',
    'test/bin',
    'test/promises',
    'test/rollup',
    'test/s3',
    'test/support',
    'package.json',
    'tsconfig.json',
  ])
    cpSync(join(ROOT, folder), join(copy, folder), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  writeFileSync(join(copy, 'mutations.config.ts'), CONFIG);
  return copy;
}

/** True if the one test passes. Throws where no test of that name was run. */
function passes(copy: string, { file, name }: Mutation['test']): boolean {
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs');
  const { stdout } = spawnSync(
    process.execPath,
    [vitest, 'run', '--config', 'mutations.config.ts', file, '-t', name],
    {
      cwd: copy,
      encoding: 'utf8',
      timeout: 400_000,
      env: { ...process.env, NO_COLOR: '1', HISTORIES: '80', INTERLEAVINGS: '1500' },
    },
  );
  const [, outcome] = /^ +Tests +\d+ (passed|failed)/m.exec(stdout) ?? [];
  if (outcome === undefined) throw new Error(`No test was run: ${file} ${name}\n${stdout}`);
  return outcome === 'passed';
}

/** Breaks the copy, runs the one test, and mends the copy. */
function survives(copy: string, { patch, test }: Mutation): boolean {
  const originals = Object.keys(patch).map((file) => [file, readFileSync(join(copy, file), 'utf8')] as const);
  try {
    for (const [file, original] of originals) {
      let text = original;
      for (const [find, replace] of patch[file] ?? []) {
        text = text.replaceAll(find, replace);
      }
      writeFileSync(join(copy, file), text);
    }
    return passes(copy, test);
  } finally {
    for (const [file, original] of originals) writeFileSync(join(copy, file), original);
  }
}

/** Texts to replace that the source does not contain any more, each with its file. */
export function staleTexts(): string[] {
  const texts = MUTATIONS.flatMap(({ patch }) =>
    Object.entries(patch).flatMap(([file, pairs]) => pairs.map(([find]) => ({ file, find }))),
  );
  return texts
    .filter(({ file, find }) => !isFile(file) || !readFileSync(join(ROOT, file), 'utf8').includes(find))
    .map(({ file, find }) => `${file}: ${find}`);
}

function isFile(file: string): boolean {
  return existsSync(join(ROOT, file));
}

/**
 * Breaks the source in every way, one after another, and says which breakages no test noticed. `only`: parts of `what`,
 * where not all are to be tried.
 */
function tryAll(only: string[]): void {
  const chosen = MUTATIONS.filter(
    ({ what }) => only.length === 0 || only.some((part) => what.includes(part)),
  );
  const stale = staleTexts();
  if (stale.length > 0) throw new Error(`Texts that are not in the source any more:\n${stale.join('\n')}`);
  const copy = copyTree();
  let survivors = 0;
  try {
    const tests = new Map(chosen.map(({ test }) => [`${test.file} ${test.name}`, test]));
    for (const [label, test] of tests)
      if (!passes(copy, test)) throw new Error(`It fails as it is: ${label}`);
    for (const mutation of chosen) {
      const alive = survives(copy, mutation);
      if (alive) survivors++;
      console.log(
        `${alive ? 'SURVIVED' : 'caught  '}  ${mutation.what.padEnd(44)}${mutation.test.file}: ${mutation.test.name}`,
      );
    }
  } finally {
    rmSync(copy, { recursive: true });
  }
  console.log(`${chosen.length - survivors} of ${chosen.length} caught`);
  process.exitCode = survivors > 0 ? 1 : 0;
}

if (import.meta.main) tryAll(process.argv.slice(2));
