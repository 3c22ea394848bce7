import { OperatorError } from '../operator/operator-error.ts';
import type { Alarm, SmokeServices } from './services.ts';

/** Alarms that an error names. */
const SHOWN = 5;

/**
 * Checks that somebody is told of every alarm of the stack: that it, or a composite alarm whose rule names it, has an action
 * that is enabled and, if that is a topic, a subscriber who has confirmed.
 *
 * @returns what was found, as a line
 * @throws OperatorError `AlarmsUnheard`, and those of the calls
 */
export async function checkAlarms(
  services: Pick<SmokeServices, 'alarmNames' | 'alarms' | 'subscriptions'>,
  stackName: string,
): Promise<string> {
  const names = await services.alarmNames(stackName);
  if (names.length === 0) throw unheard('The stack has no alarms. Is it the right one?');
  const alarms = await services.alarms(names);
  const topics = new Map<string, 'confirmed' | 'pending' | 'none'>();
  for (const action of new Set(alarms.flatMap(({ actions }) => actions))) {
    if (!isTopic(action)) continue;
    const found = await services.subscriptions(action);
    const isConfirmed = found.some((arn) => arn.startsWith('arn:'));
    topics.set(
      action,
      isConfirmed ? 'confirmed' : found.includes('PendingConfirmation') ? 'pending' : 'none',
    );
  }
  const silent = [...topics].filter(([, state]) => state !== 'confirmed');
  if (silent.length > 0) {
    const said = silent.map(([topic, state]) =>
      state === 'pending'
        ? `nobody has confirmed a subscription of ${topic}: open the link in the mail that SNS sent`
        : `${topic} has no subscription: subscribe somebody`,
    );
    throw unheard(`Alarms go to a topic that reaches nobody: ${said.join('; ')}.`);
  }
  const reaches = ({ actionsEnabled, actions }: Alarm): boolean =>
    actionsEnabled && actions.some((action) => !isTopic(action) || topics.get(action) === 'confirmed');
  const rules = alarms.flatMap((alarm) => (alarm.rule !== undefined && reaches(alarm) ? [alarm.rule] : []));
  const isNamed = ({ name, arn }: Alarm): boolean =>
    rules.some(
      (rule) => rule.includes(`"${arn}"`) || rule.includes(`"${name}"`) || rule.includes(`(${arn})`),
    );
  const alone = alarms.filter((alarm) => alarm.rule === undefined && !reaches(alarm) && !isNamed(alarm));
  const missing = names.filter((name) => !alarms.some((alarm) => alarm.name === name));
  if (alone.length > 0) {
    const shown = alone.slice(0, SHOWN).map(({ name }) => name);
    const more = alone.length > SHOWN ? ` and ${alone.length - SHOWN} more` : '';
    throw unheard(
      `Nobody is told of ${alone.length} of ${alarms.length} alarms: ${shown.join(', ')}${more} have no action that is enabled. Deploy with alarmTopicArn or alarmEmail.`,
    );
  }
  if (missing.length > 0)
    throw unheard(`Alarms of the stack are gone: ${missing.slice(0, SHOWN).join(', ')}. Deploy again.`);
  return `${alarms.length} alarms, ${topics.size === 1 ? '1 topic' : `${topics.size} topics`} with a confirmed subscriber`;
}

function isTopic(arn: string): boolean {
  return /^arn:[\w-]+:sns:/.test(arn);
}

function unheard(message: string): OperatorError {
  return new OperatorError('AlarmsUnheard', message);
}
