import { Duration } from 'aws-cdk-lib';
import { Queue, QueueEncryption, RedrivePermission } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

const MAX_RECEIVES = 3;
const LONGEST_RETENTION = Duration.days(14);

/** The one queue that every request goes through, and the two where failures are kept. */
export class RollupQueues extends Construct {
  /** Requests: from the schedules, the operator's commands and the function's own continuations. */
  readonly requests: Queue;
  /** Requests that failed three times. Its messages go back to the queue by StartMessageMoveTask. */
  readonly deadLetters: Queue;
  /**
   * Requests that never came to the queue: what a schedule could not deliver, and failed asynchronous invocations.
   * Apart from the dead letters because SQS moves back only what came from a queue.
   */
  readonly undelivered: Queue;

  constructor(scope: Construct, id: string, props: { readonly functionTimeout: Duration }) {
    super(scope, id);
    const secured = { encryption: QueueEncryption.SQS_MANAGED, enforceSSL: true };
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
      // A dead letter keeps the age of its request: shorter here leaves the operator at least ten days.
      retentionPeriod: Duration.days(4),
      deadLetterQueue: { queue: this.deadLetters, maxReceiveCount: MAX_RECEIVES },
    });
  }
}
