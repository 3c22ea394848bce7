import { gzipSync, zstdCompressSync } from 'node:zlib';

/*
 * Objects as AWS services and shippers name and make them. Keys have placeholders of the hour, as the sources of
 * docs/sources.md do; times within the logs are of no matter.
 */

/** An object of an hour: its key with placeholders, and what a reader should see of it. */
export interface LogObject {
  key: string;
  text: string;
  body: Buffer;
  how: 'plain' | 'gzip' | 'zstd';
  headers?: Record<string, string>;
}

/** The logs of one section of the page. */
export interface Logs {
  objects: LogObject[];
  /** Keys of other kinds that lie beside in the same hour, and are not taken in. */
  beside: string[];
}

const plain = (key: string, text: string, headers?: Record<string, string>): LogObject =>
  object(key, text, Buffer.from(text), 'plain', headers);
const gzip = (key: string, text: string, headers?: Record<string, string>): LogObject =>
  object(key, text, gzipSync(text), 'gzip', headers);

function object(
  key: string,
  text: string,
  body: Buffer,
  how: LogObject['how'],
  headers?: Record<string, string>,
): LogObject {
  return { key, text, body, how, ...(headers && { headers }) };
}

const times = <T>(count: number, make: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));
const lines = (count: number, line: (i: number) => string): string =>
  times(count, (i) => `${line(i)}\n`).join('');
const two = (n: number): string => String(n).padStart(2, '0');
/** Hexadecimal digits that look random, the same for the same number. */
const hex = (n: number, digits = 8): string =>
  (BigInt(n + 1) * 0x9e3779b97f4a7c15n).toString(16).slice(0, digits).padEnd(digits, '0');
const uuid = (n: number): string => `${hex(n)}-5b1f-4c2d-9e3a-${hex(n + 7, 12)}`;

const ACCOUNT = '111122223333';
const REGION = 'eu-west-1';
const DAY = '{yyyy}/{MM}/{dd}';
const HOUR = '{yyyy}{MM}{dd}T{HH}';

// https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logs-reference.html#BasicDistributionFileFormat
export const CLOUDFRONT_FIELDS =
  'date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol ssl-cipher x-edge-response-result-type cs-protocol-version fle-status fle-encrypted-fields c-port time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len sc-range-start sc-range-end'.split(
    ' ',
  );

function cloudFront(file: number): string {
  const row = (i: number): string =>
    [
      ...['2026-11-21', `08:${two(file)}:${two(i)}`, 'LHR62-C1', String(file * 1000 + i), '192.0.2.4', 'GET'],
      ...['d111111abcdef8.cloudfront.net', `/images/${i}.jpg`, '200', '-', 'Mozilla/5.0%20(X11)', '-', '-'],
      ...['Hit', `${hex(file * 100 + i, 16)}==`, 'www.example.com', 'https', '421', '0.001', '-', 'TLSv1.3'],
      ...['TLS_AES_128_GCM_SHA256', 'Hit', 'HTTP/2.0', '-', '-', '11040', '0.001', 'Hit', 'image/jpeg'],
      ...['78', '-', '-'],
    ].join('\t');
  return `#Version: 1.0\n#Fields: ${CLOUDFRONT_FIELDS.join(' ')}\n${lines(3 + (file % 5), row)}`;
}

// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html#access-log-entry-examples
const alb = (file: number) => (i: number) =>
  `https 2026-11-21T08:${two(file)}:${two(i)}.186641Z app/web/1234567890abcdef 192.0.2.8:2817 10.0.0.1:80 0.086 0.048 0.037 200 200 0 57 "GET https://www.example.com:443/${i} HTTP/1.1" "curl/7.46.0" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:elasticloadbalancing:${REGION}:${ACCOUNT}:targetgroup/my-targets/73e2d6bc24d8a067 "Root=1-58337281-${hex(i, 12)}" "www.example.com" "arn:aws:acm:${REGION}:${ACCOUNT}:certificate/${uuid(1)}" 1 2026-11-21T08:00:00.364000Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-" TID_${hex(file * 10 + i, 16)}`;
// https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-access-logs.html#access-log-entry-format
const nlb = (file: number) => (i: number) =>
  `tls 2.0 2026-11-21T08:${two(file)}:${two(i)} net/edge/1234567890abcdef g3d4b5e8bb8464cd 192.0.2.154:5${i} 172.31.16.185:443 5 2 98 246 - arn:aws:acm:${REGION}:${ACCOUNT}:certificate/${uuid(2)} - ECDHE-RSA-AES128-SHA tlsv12 - www.example.com - - - 2026-11-21T08:00:00`;

/** https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-examples.html: no newline behind it. */
function trail(region: string, file: number): string {
  const Records = times(2 + (file % 3), (i) => ({
    eventVersion: '1.09',
    userIdentity: { type: 'IAMUser', arn: `arn:aws:iam::${ACCOUNT}:user/Mateo`, accountId: ACCOUNT },
    eventTime: `2026-11-21T08:${two(file)}:${two(i)}Z`,
    eventSource: 'ec2.amazonaws.com',
    eventName: 'StartInstances',
    awsRegion: region,
    eventID: uuid(file * 10 + i),
  }));
  return JSON.stringify({ Records });
}

// https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html#flow-logs-default
const flowLog = (file: number): string =>
  `version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n${lines(
    4,
    (i) =>
      `2 ${ACCOUNT} eni-1235b8ca123456789 172.31.16.139 172.31.16.21 2064${i} 22 6 20 ${file * 100 + i} 1795248010 1795248070 ACCEPT OK`,
  )}`;
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html
const s3Access = (file: number) => (i: number) =>
  `79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be shop-images [21/Nov/2026:07:${two(file)}:${two(i)} +0000] 192.0.2.3 79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be ${hex(i, 16).toUpperCase()} REST.GET.OBJECT ${i}.jpg "GET /shop-images/${i}.jpg HTTP/1.1" 200 - 113 113 7 6 "-" "S3Console/0.4" - s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3/eTPFvsiP/XV/VLi31234= SigV4 ECDHE-RSA-AES128-GCM-SHA256 AuthHeader shop-images.s3.${REGION}.amazonaws.com TLSV1.2 - -`;
// https://docs.aws.amazon.com/waf/latest/developerguide/logging-examples.html
const waf = (file: number) => (i: number) =>
  JSON.stringify({
    timestamp: 1_795_248_000_000 + file * 1000 + i,
    formatVersion: 1,
    webaclId: `arn:aws:wafv2:${REGION}:${ACCOUNT}:regional/webacl/shop/${uuid(3)}`,
    terminatingRuleId: 'Default_Action',
    action: 'ALLOW',
    httpRequest: { clientIp: '192.0.2.5', country: 'AU', uri: `/${i}`, httpMethod: 'GET' },
  });
const event = (file: number) => (i: number) =>
  JSON.stringify({ at: `2026-11-21T08:${two(file)}:${two(i)}Z`, level: 'info', message: `order ${i}` });

/** What CloudWatch Logs sends: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html#DestinationKinesisExample */
function subscription(key: string, file: number): LogObject {
  const documents = times(3, (i) =>
    JSON.stringify({
      messageType: file === 0 && i === 0 ? 'CONTROL_MESSAGE' : 'DATA_MESSAGE',
      owner: ACCOUNT,
      logGroup: '/aws/lambda/checkout',
      logStream: `2026/11/21/[$LATEST]${hex(i, 32)}`,
      subscriptionFilters: ['to-s3'],
      logEvents: times(2, (n) => ({
        id: `${file}${i}${n}`,
        timestamp: 1_795_248_000_000 + n,
        message: `line ${n}\n`,
      })),
    }),
  );
  const members = documents.map((document) => gzipSync(document, { level: 6 }));
  return object(key, documents.join(''), Buffer.concat(members), 'gzip');
}

const elb = (name: string): string => `AWSLogs/${ACCOUNT}/elasticloadbalancing/${REGION}/${DAY}/${name}`;
const flow = (folder: string, file: number): string =>
  `${folder}/${ACCOUNT}_vpcflowlogs_${REGION}_fl-0123456789abcdef0_${HOUR}${two(file * 5)}Z_${hex(file)}.log.gz`;
const HIVE = `AWSLogs/aws-account-id=${ACCOUNT}/aws-service=vpcflowlogs/aws-region=${REGION}/year={yyyy}/month={MM}/day={dd}/hour={HH}`;

export function cloudTrail(region: string): Logs {
  const folder = `AWSLogs/${ACCOUNT}/CloudTrail/${region}/${DAY}`;
  const name = (kind: string): string => `${ACCOUNT}_${kind}_${region}`;
  return {
    objects: times(6, (file) =>
      gzip(
        `${folder}/${name('CloudTrail')}_${HOUR}${two(file * 10)}Z_${hex(file, 16)}.json.gz`,
        trail(region, file),
      ),
    ),
    beside: [
      `AWSLogs/${ACCOUNT}/CloudTrail-Digest/${region}/${DAY}/${name('CloudTrail-Digest')}_trail_${region}_${HOUR}0048Z.json.gz`,
      `AWSLogs/${ACCOUNT}/CloudTrail-Insight/${region}/${DAY}/${name('CloudTrail-Insight')}_${HOUR}10Z_${hex(1, 16)}.json.gz`,
    ],
  };
}

/** The logs of each section of docs/sources.md, by its heading. */
export const LOGS: Record<string, Logs> = {
  CloudFront: {
    objects: times(12, (file) =>
      gzip(`cf/E2EXAMPLE.{yyyy}-{MM}-{dd}-{HH}.${hex(file)}.gz`, cloudFront(file)),
    ),
    beside: ['cf/E3OTHER.{yyyy}-{MM}-{dd}-{HH}.a1b2c3d4.gz'],
  },
  'Application Load Balancer': {
    objects: times(12, (file) =>
      gzip(
        elb(
          `${ACCOUNT}_elasticloadbalancing_${REGION}_app.web.1234567890abcdef_${HOUR}${two(file * 5)}Z_10.0.0.${file}_${hex(file)}.log.gz`,
        ),
        lines(3, alb(file)),
      ),
    ),
    beside: [
      elb(
        `conn_log_${ACCOUNT}_elasticloadbalancing_${REGION}_app.web.1234567890abcdef_${HOUR}05Z_10.0.0.1_20sg8hgm.log.gz`,
      ),
      elb(
        `${ACCOUNT}_elasticloadbalancing_${REGION}_app.api.fedcba0987654321_${HOUR}05Z_10.0.0.1_20sg8hgm.log.gz`,
      ),
    ],
  },
  'Network Load Balancer': {
    objects: times(4, (file) =>
      gzip(
        elb(
          `${ACCOUNT}_elasticloadbalancing_${REGION}_net.edge.1234567890abcdef_${HOUR}${two(file * 5)}Z_${hex(file)}.log.gz`,
        ),
        lines(3, nlb(file)),
      ),
    ),
    beside: [
      elb(`${ACCOUNT}_elasticloadbalancing_${REGION}_net.mail.fedcba0987654321_${HOUR}05Z_20sg8hgm.log.gz`),
    ],
  },
  CloudTrail: cloudTrail(REGION),
  'VPC Flow Logs': {
    objects: times(12, (file) =>
      gzip(flow(`AWSLogs/${ACCOUNT}/vpcflowlogs/${REGION}/${DAY}`, file), flowLog(file)),
    ),
    beside: [
      `AWSLogs/${ACCOUNT}/vpcflowlogs/${REGION}/${DAY}/${ACCOUNT}_vpcflowlogs_${REGION}_fl-0fedcba9876543210_${HOUR}05Z_a1b2c3d4.log.gz`,
    ],
  },
  'VPC Flow Logs, Hive-compatible': {
    objects: times(12, (file) => gzip(flow(HIVE, file), flowLog(file))),
    beside: [],
  },
  'S3 server access logs': {
    objects: times(5, (file) =>
      plain(
        `s3-access/{yyyy}-{MM}-{dd}-{HH}-${two(file * 11)}-42-${hex(file, 16).toUpperCase()}`,
        lines(4, s3Access(file)),
      ),
    ),
    beside: ['s3-access-of-others/{yyyy}-{MM}-{dd}-{HH}-17-42-0123456789ABCDEF'],
  },
  'S3 server access logs, partitioned': {
    objects: times(5, (file) =>
      plain(
        `access/${ACCOUNT}/${REGION}/shop-images/${DAY}/{yyyy}-{MM}-{dd}-{HH}-${two(file * 11)}-42-${hex(file, 16).toUpperCase()}`,
        lines(4, s3Access(file)),
      ),
    ),
    beside: [`access/${ACCOUNT}/${REGION}/shop-videos/${DAY}/{yyyy}-{MM}-{dd}-{HH}-17-42-0123456789ABCDEF`],
  },
  'S3 server access logs, by day': {
    objects: times(5, (file) =>
      plain(
        `access-by-event/${ACCOUNT}/${REGION}/shop-images/${DAY}/{yyyy}-{MM}-{dd}-00-00-00-${hex(file, 16).toUpperCase()}`,
        lines(4, s3Access(file)),
      ),
    ),
    beside: [],
  },
  'AWS WAF': {
    objects: times(12, (file) =>
      gzip(
        `AWSLogs/${ACCOUNT}/WAFLogs/${REGION}/shop/${DAY}/{HH}/${two(file * 5)}/${ACCOUNT}_waflogs_${REGION}_shop_${HOUR}${two(file * 5)}Z_${hex(file)}.log.gz`,
        lines(3, waf(file)),
      ),
    ),
    beside: [
      `AWSLogs/${ACCOUNT}/WAFLogs/${REGION}/blog/${DAY}/{HH}/05/${ACCOUNT}_waflogs_${REGION}_blog_${HOUR}05Z_a1b2c3d4.log.gz`,
    ],
  },
  'Amazon Data Firehose': {
    // With its extension and without one; records without a delimiter, and since the second version with it.
    objects: times(6, (file) => {
      const name = `firehose/${DAY}/{HH}/orders-${1 + (file >> 2)}-{yyyy}-{MM}-{dd}-{HH}-${two(file * 9)}-12-${uuid(file)}`;
      const records = times(3, event(file));
      const text = file < 4 ? records.join('') : lines(3, event(file));
      return gzip(file % 2 === 0 ? `${name}.gz` : name, text);
    }),
    beside: [`firehose-errors/${DAY}/{HH}/orders-1-{yyyy}-{MM}-{dd}-{HH}-05-12-${uuid(9)}`],
  },
  'CloudWatch Logs subscriptions': {
    objects: times(4, (file) =>
      subscription(
        `cloudwatch/${DAY}/{HH}/logs-1-{yyyy}-{MM}-{dd}-{HH}-${two(file * 5)}-02-${uuid(file)}`,
        file,
      ),
    ),
    beside: [],
  },
  'Fluent Bit': {
    objects: times(6, (file) => {
      const key = `fluent-bit/shop/${DAY}/{HH}/${two(file * 10)}/07/${hex(file)}.log`;
      const text = lines(3, event(file));
      return file % 3 === 2 ? plain(key, text) : gzip(key, text, { 'content-encoding': 'gzip' });
    }),
    beside: [`fluent-bit/blog/${DAY}/{HH}/10/07/Abc12345.log`],
  },
  Vector: {
    objects: times(6, (file) => {
      const name = `vector/date={yyyy}-{MM}-{dd}/hour={HH}/${1_795_248_000 + file * 300}-${uuid(file)}.log`;
      const text = times(3, event(file)).join('\n');
      return file % 2 === 0
        ? gzip(`${name}.gz`, text, { 'content-encoding': 'gzip' })
        : object(`${name}.zst`, text, zstdCompressSync(text), 'zstd', { 'content-encoding': 'zstd' });
    }),
    beside: [],
  },
  Logstash: {
    objects: times(4, (file) =>
      gzip(
        `logstash/${DAY}/{HH}/ls.s3.${uuid(file)}.{yyyy}-{MM}-{dd}T{HH}.${two(file * 15)}.tag_hello.part${file}.txt.gz`,
        lines(3, event(file)),
        { 'content-encoding': 'gzip' },
      ),
    ),
    beside: [],
  },
};
