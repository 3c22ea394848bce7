import { App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { hasCode } from '../lambda/errors.ts';
import { STACK_NAMES, parseContext } from '../lib/config/context.ts';
import { InvalidConfiguration } from '../lib/config/invalid-configuration.ts';
import { LogRollupStack } from '../lib/log-rollup-stack.ts';
import { formatLines } from './output/output.ts';
import { readSettingsFile } from './options/settings-file.ts';

/** CDK entry: creates the stack from the context and the settings file. A cdk-nag finding ends the synthesis. */
try {
  const app = new App();
  const { config, ...context } = app.node.getAllContext() as Record<string, unknown>;
  const file = readSettingsFile(typeof config === 'string' ? config : undefined, STACK_NAMES);
  // Set by `cdk`, where a profile or AWS_REGION tells it the region.
  const settings = parseContext(context, file, process.env['CDK_DEFAULT_REGION']);
  new LogRollupStack(app, settings.stackName, { settings });
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  app.synth();
} catch (error) {
  if (!(error instanceof InvalidConfiguration) && !hasCode(error, 'InvalidArgument')) throw error;
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(formatLines(message.split('\n')));
  process.exitCode = 1;
}
