import { z } from 'zod';
import { choice, text } from './value-types.ts';
import { type ValueType, group, row } from './row.ts';

/**
 * Classes whose objects are read at once: later runs read outputs.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html
 */
const CLASSES = ['STANDARD', 'STANDARD_IA', 'ONEZONE_IA', 'INTELLIGENT_TIERING', 'GLACIER_IR'] as const;
const ARCHIVES = new Set<unknown>(['GLACIER', 'DEEP_ARCHIVE']);

const storageClass = z.enum(CLASSES, {
  error: ({ input }) =>
    ARCHIVES.has(input)
      ? 'must be one that later runs and verify can read at once, such as GLACIER_IR'
      : `must be ${CLASSES.join(', ').replace(/, (?=\w+$)/, ' or ')}`,
});

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
const MOST_TAGS = 10;
const LONGEST_KEY = 128;
const LONGEST_VALUE = 256;
const TAG_CHARACTERS = /^[\p{L}\p{N}\p{Zs}+\-=._:/@]*$/u;

const tags = z
  .record(z.string(), z.string('must be text'), 'must be such as team=logs,stage=prod')
  .superRefine((given, context) => {
    const refuse = (message: string): void => {
      context.addIssue({ code: 'custom', message });
    };
    const entries = Object.entries(given);
    if (entries.length === 0) refuse('must have a tag, such as team=logs');
    if (entries.length > MOST_TAGS) refuse(`must have no more than ${MOST_TAGS} tags`);
    for (const [key, value] of entries) {
      if (key === '' || key.length > LONGEST_KEY || value.length > LONGEST_VALUE)
        refuse(`must have keys of 1 to ${LONGEST_KEY} characters and values of ${LONGEST_VALUE} at most`);
      else if (!TAG_CHARACTERS.test(key + value))
        refuse('must be of letters, digits, blanks and + - = . _ : / @ alone');
      else if (/^aws:/i.test(key))
        refuse('must have no key that begins with aws:, which AWS keeps for itself');
    }
  });

/** Reads `team=logs,stage=prod`, or JSON. No tag has a comma; a value may have an equals sign. */
function tagsFromText(written: string): unknown {
  if (written.startsWith('{')) return parseJson(written);
  const pairs = written.split(',').map((pair) => /^([^=]*)=(.*)$/s.exec(pair)?.slice(1));
  const keys = new Set(pairs.map((pair) => pair?.[0]));
  if (keys.has(undefined) || keys.size < pairs.length) return written;
  return Object.fromEntries(pairs as [string, string][]);
}

function parseJson(written: string): unknown {
  try {
    return JSON.parse(written);
  } catch {
    return written;
  }
}

const tagSet: ValueType<typeof tags> = { schema: tags, fromText: tagsFromText };

// https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id
const KEY_ID = /^(arn:[\w-]+:kms:[\w-]+:\d{12}:(key|alias)\/[\w/-]+|alias\/[\w/-]+|(mrk-)?[\da-f-]{32,36})$/;
// https://www.rfc-editor.org/rfc/rfc9110#name-media-type
const MEDIA_TYPE = /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+( *;[\x20-\x7e]*)?$/;
const CODINGS = /^[\w!#$%&'*+.^`|~-]+( *, *[\w!#$%&'*+.^`|~-]+)*$/;
/** Most characters of a content type or coding. */
const LONGEST_HEADER = 1024;

/** Settings that outputs are stored with. They apply to outputs that are written from then on: committed ones keep their own. */
export const outputs = group('Outputs:', {
  /**
   * Storage class of outputs. Archive classes are refused.
   *
   * @defaultValue S3's own: STANDARD
   */
  storageClass: row(text(storageClass), {
    default: undefined,
    description: "storage class of outputs; otherwise S3's own default, STANDARD",
    value: '<class>',
    example: 'STANDARD_IA',
  }),
  /**
   * Values of tags by their keys; S3 allows 10.
   *
   * @defaultValue no tags
   */
  tags: row(tagSet, {
    default: undefined,
    description: 'tags of outputs, 10 at most',
    value: '<tags>',
    example: 'team=logs,stage=prod',
  }),
  /**
   * Id, ARN or alias of the KMS key of outputs and manifest; in the stack the ARN of a key.
   *
   * @defaultValue the bucket's own encryption
   */
  kmsKeyId: row(text(z.string().regex(KEY_ID, 'must be the id, ARN or alias of a KMS key')), {
    default: undefined,
    description: "KMS key of outputs and manifest, with a bucket key; otherwise the bucket's own encryption",
    value: '<key>',
    example: 'alias/logs',
  }),
  /**
   * Encryption with S3's own keys, said in every request: for buckets whose policy refuses uploads that do not say it.
   *
   * @defaultValue the bucket's own encryption, and no header
   */
  sse: row(choice(['AES256']), {
    default: undefined,
    description: 'encryption header of outputs and manifest, for buckets that refuse uploads without one',
    value: '<algorithm>',
    example: 'AES256',
  }),
  /**
   * Content-Type of outputs.
   *
   * @defaultValue S3's own
   */
  contentType: row(
    text(z.string().max(LONGEST_HEADER).regex(MEDIA_TYPE, 'must be a media type such as text/plain')),
    {
      default: undefined,
      description: 'Content-Type of outputs',
      value: '<type>',
      example: 'application/x-ndjson',
    },
  ),
  /**
   * Content-Encoding of outputs. It says what they are, and changes no byte.
   *
   * @defaultValue none
   */
  contentEncoding: row(
    text(
      z
        .string()
        .max(LONGEST_HEADER)
        .regex(CODINGS, 'must be a content coding such as gzip')
        .refine((coding) => !/aws-chunked/i.test(coding), 'must not be aws-chunked, which S3 removes'),
    ),
    {
      default: undefined,
      description: 'Content-Encoding of outputs; it says what they are, and changes no byte',
      value: '<coding>',
      example: 'gzip',
    },
  ),
  /**
   * Canned ACL of outputs and manifest, for a bucket of another account that has ACLs.
   *
   * @defaultValue none
   */
  acl: row(choice(['bucket-owner-full-control']), {
    default: undefined,
    description: 'canned ACL of outputs and manifest, for a bucket of another account that has ACLs',
    value: '<acl>',
    example: 'bucket-owner-full-control',
  }),
});
