import { Duration } from 'aws-cdk-lib';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Queue, QueueEncryption, RedrivePermission } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { MAX_RECEIVES } from '../lambda/names.ts';

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html: 14 days at most.
const LONGEST_RETENTION = Duration.days(14);

/** The queue that every request goes through, and two queues that keep failures. */
export class RollupQueues extends Construct {
  /** Requests of the schedules and of the operator's commands, and the function's own continuations. */
  readonly requests: Queue;
  /** Requests that failed five times, and those of executions that failed. A redrive moves them back to the queue by StartMessageMoveTask. */
  readonly deadLetters: Queue;
  /**
   * Requests that never were in the queue: those that a schedule could not deliver, and those of failed asynchronous
   * invocations. They are apart from the dead letters because SQS moves back only messages that came from a queue.
   */
  readonly undelivered: Queue;

  constructor(
    scope: Construct,
    id: string,
    props: { readonly functionTimeout: Duration; readonly encryptionKey?: IKey | undefined },
  ) {
    super(scope, id);
    const { encryptionKey } = props;
    const encryption =
      encryptionKey === undefined
        ? { encryption: QueueEncryption.SQS_MANAGED }
        : { encryption: QueueEncryption.KMS, encryptionMasterKey: encryptionKey };
    const secured = { ...encryption, enforceSSL: true };
    this.deadLetters = new Queue(this, 'DeadLetters', { ...secured, retentionPeriod: LONGEST_RETENTION });
    this.undelivered = new Queue(this, 'Undelivered', {
      ...secured,
      retentionPeriod: LONGEST_RETENTION,
      redriveAllowPolicy: { redrivePermission: RedrivePermission.DENY_ALL },
    });
    this.requests = new Queue(this, 'Requests', {
      ...secured,
      // https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html: six times the function's timeout.
      visibilityTimeout: Duration.seconds(6 * props.functionTimeout.toSeconds()),
      // A dead letter keeps the age of its request: with 4 of 14 days here, the operator has at least ten days.
      retentionPeriod: Duration.days(4),
      deadLetterQueue: { queue: this.deadLetters, maxReceiveCount: MAX_RECEIVES },
    });
  }
}
