import { AwsSolutionsChecks } from 'cdk-nag';
import { describe, expect, it } from 'vitest';
import { VARIANTS, createStack } from './synthesis.ts';

describe.each(Object.entries(VARIANTS))("cdk-nag's AwsSolutions pack with %s", (_, context) => {
  const { stack } = createStack(context);

  it('has no finding', () => {
    const { violations } = new AwsSolutionsChecks().validateScope(stack);
    expect(violations.map(({ ruleName }) => ruleName)).toEqual([]);
  });

  it('has a reason for each rule that is set aside', () => {
    const acknowledged = stack.node
      .findAll()
      .flatMap(({ node }) =>
        node.metadata
          .filter(({ type }) => type === 'aws:cdk:acknowledged-rules')
          .flatMap(({ data }) => Object.entries(data as Record<string, string>)),
      );
    // The others are CDK's own, of constructs that are given no VPC.
    for (const [rule, reason] of acknowledged.filter(([rule]) => rule.includes('AwsSolutions'))) {
      expect(rule).toMatch(/AwsSolutions-(IAM5\[Resource::.*\*.*\]|SF2)$/);
      expect(reason).toMatch(/^[A-Z].{30,}\.$/);
    }
  });
});
