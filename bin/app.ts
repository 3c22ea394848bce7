import { App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { parseContext } from '../lib/context.ts';
import { InvalidConfiguration } from '../lib/invalid-configuration.ts';
import { LogRollupStack } from '../lib/log-rollup-stack.ts';

/** CDK entry: context -> stack. A cdk-nag finding ends the synthesis. */
try {
  const app = new App();
  const settings = parseContext(app.node.getAllContext() as Record<string, unknown>);
  new LogRollupStack(app, settings.stackName, { settings });
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  app.synth();
} catch (error) {
  if (!(error instanceof InvalidConfiguration)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
