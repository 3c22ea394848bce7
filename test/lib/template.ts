import type { Template } from 'aws-cdk-lib/assertions';
import { z } from 'zod';

const resource = z.looseObject({
  Type: z.string(),
  Properties: z.record(z.string(), z.unknown()).default({}),
});

export type Resource = z.infer<typeof resource>;

/** Resources of one type, by logical id. */
export function resources(template: Template, type: string): Record<string, Resource> {
  return z.record(z.string(), resource).parse(template.findResources(type));
}

/** The only resource of its type. */
export function onlyResource(template: Template, type: string): Resource & { id: string } {
  const [first, ...rest] = Object.entries(resources(template, type));
  if (first === undefined || rest.length > 0)
    throw new Error(`${rest.length + (first ? 1 : 0)} resources of type ${type}`);
  return { id: first[0], ...first[1] };
}

const statement = z.looseObject({
  Sid: z.string(),
  Effect: z.string(),
  Action: z.union([z.string().transform((one) => [one]), z.array(z.string())]),
  Resource: z.unknown(),
  Condition: z.unknown().optional(),
});

/** All statements of the inline policies of all roles. */
export function roleStatements(template: Template): z.infer<typeof statement>[] {
  const policies = z.array(z.object({ PolicyDocument: z.object({ Statement: z.array(statement) }) }));
  return Object.values(resources(template, 'AWS::IAM::Role')).flatMap((role) =>
    policies.parse(role.Properties['Policies']).flatMap(({ PolicyDocument }) => PolicyDocument.Statement),
  );
}
