import { describe, expect, it } from 'vitest';
import { type RawSettings, parseSettings } from '../../lambda/settings/settings.ts';
import { parseContext } from '../../lib/config/context.ts';

const KEY_ARN = 'arn:aws:kms:eu-central-1:111122223333:key/11111111-2222-3333-4444-555555555555';

const pairs = (count: number): string => Array.from({ length: count }, (_, i) => `k${i}=${i}`).join(',');

describe('settings of outputs and sides that are taken', () => {
  it.each<[keyof RawSettings, unknown, unknown]>([
    ['tags', 'team=logs,stage=prod', { team: 'logs', stage: 'prod' }],
    ['tags', 'formula=a=b', { formula: 'a=b' }],
    ['tags', 'empty=', { empty: '' }],
    ['tags', '{"équipe":"a b+-=._:/@"}', { équipe: 'a b+-=._:/@' }],
    ['tags', { team: 'logs' }, { team: 'logs' }],
    [
      'tags',
      pairs(10),
      Object.fromEntries(
        pairs(10)
          .split(',')
          .map((pair) => pair.split('=')),
      ),
    ],
    ['tags', `${'k'.repeat(128)}=${'v'.repeat(256)}`, { ['k'.repeat(128)]: 'v'.repeat(256) }],
    ['storageClass', 'GLACIER_IR', 'GLACIER_IR'],
    ['kmsKeyId', KEY_ARN, KEY_ARN],
    ['kmsKeyId', 'alias/aws/s3', 'alias/aws/s3'],
    ['kmsKeyId', 'mrk-1234abcd12ab34cd56ef1234567890ab', 'mrk-1234abcd12ab34cd56ef1234567890ab'],
    ['contentType', 'text/plain; charset=utf-8', 'text/plain; charset=utf-8'],
    ['contentEncoding', 'zstd', 'zstd'],
    [
      'sourceRoleArn',
      'arn:aws-cn:iam::111122223333:role/team/logs',
      'arn:aws-cn:iam::111122223333:role/team/logs',
    ],
    ['sourceProfile', 'raw logs', 'raw logs'],
  ])('%s %j', (name, given, taken) => {
    expect(parseSettings({ [name]: given }, (setting) => setting)[name]).toEqual(taken);
  });
});

describe('settings of outputs and sides that are refused', () => {
  it.each<[keyof RawSettings, unknown, string]>([
    ['storageClass', 'GLACIER', 'must be one that later runs and verify can read at once'],
    ['storageClass', 'DEEP_ARCHIVE', 'must be one that later runs and verify can read at once'],
    [
      'storageClass',
      'standard',
      'must be STANDARD, STANDARD_IA, ONEZONE_IA, INTELLIGENT_TIERING or GLACIER_IR',
    ],
    ['tags', 'team', 'must be such as team=logs,stage=prod'],
    ['tags', 'a=1,a=2', 'must be such as team=logs,stage=prod'],
    ['tags', '{"a":', 'must be such as team=logs,stage=prod'],
    ['tags', '{}', 'must have a tag, such as team=logs'],
    ['tags', { a: 1 }, 'must be text'],
    ['tags', '=value', 'must have keys of 1 to 128 characters'],
    ['tags', `${'k'.repeat(129)}=`, 'must have keys of 1 to 128 characters'],
    ['tags', `k=${'v'.repeat(257)}`, 'values of 256 at most'],
    ['tags', 'a=1&2', 'must be of letters, digits, blanks and + - = . _ : / @ alone'],
    ['tags', 'AWS:team=logs', 'which AWS keeps for itself'],
    ['tags', pairs(11), 'must have no more than 10 tags'],
    ['kmsKeyId', 'logs', 'must be the id, ARN or alias of a KMS key'],
    ['contentType', 'text', 'must be a media type such as text/plain'],
    ['contentType', 'text/plain\r\nx-amz-acl: public-read', 'must be a media type such as text/plain'],
    ['contentEncoding', 'aws-chunked', 'must not be aws-chunked, which S3 removes'],
    ['contentEncoding', 'gzip br', 'must be a content coding such as gzip'],
    ['acl', 'public-read', 'must be bucket-owner-full-control'],
    ['sourceRegion', 'EU', 'must be a region such as eu-west-1'],
    ['sourceEndpointUrl', '127.0.0.1:9000', 'must be a URL such as http://127.0.0.1:9000'],
    ['destinationEndpointUrl', 'ftp://127.0.0.1', 'must be a URL such as http://127.0.0.1:9000'],
    ['destinationRoleArn', 'arn:aws:iam::111122223333:user/logs', 'must be the ARN of a role'],
    ['destinationProfile', '', 'must be the name of a profile'],
    ['sourceExpectedBucketOwner', '1111', 'must be the 12 digits of an account'],
    ['destinationExternalId', 'a b', 'must be an external id'],
    ['requestPayer', 'me', 'must be requester'],
    ['sse', 'aws:kms', 'must be AES256'],
  ])('%s %j', (name, given, why) => {
    const parse = () => parseSettings({ [name]: given }, (setting) => setting);
    expect(parse).toThrow(new RegExp(`^${name} must`));
    expect(parse).toThrow(why);
  });

  it.each([
    [{ sse: 'AES256', kmsKeyId: KEY_ARN }, 'sse AES256 must be left out beside kmsKeyId'],
    [{ sourceExternalId: 'log-rollup' }, 'sourceExternalId log-rollup must stand beside sourceRoleArn'],
    [
      { destinationExternalId: 'log-rollup' },
      'destinationExternalId log-rollup must stand beside destinationRoleArn',
    ],
  ])('%j', (given, why) => {
    expect(() => parseSettings(given, (setting) => setting)).toThrow(why);
  });

  it.each(['alias/logs', KEY_ARN.replace('key/', 'alias/')])(
    'a stack refuses %s, which no policy can name',
    (kmsKeyId) => {
      expect(() => parseContext({ kmsKeyId })).toThrow('kmsKeyId: must be the ARN of a KMS key');
      expect(parseContext({ kmsKeyId: KEY_ARN })).toMatchObject({ kmsKeyId: KEY_ARN });
    },
  );
});
