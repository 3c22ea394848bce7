/**
 * A resolved CloudFormation value as the text by which cdk-nag names it in a finding:
 * `{"Fn::Join":["",[{"Fn::GetAtt":["Logs","Arn"]},"/raw/*"]]}` -> `<Logs.Arn>/raw/*`.
 */
export function flattenReference(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'object' && value !== null) {
    if ('Ref' in value) return `<${String(value.Ref)}>`;
    if ('Fn::GetAtt' in value && Array.isArray(value['Fn::GetAtt']))
      return `<${value['Fn::GetAtt'].join('.')}>`;
    if ('Fn::Join' in value && Array.isArray(value['Fn::Join'])) {
      const [delimiter, items] = value['Fn::Join'] as [string, unknown[]];
      return items.map(flattenReference).join(delimiter);
    }
    // An export of another stack of the app.
    if ('Fn::ImportValue' in value) return flattenReference(value['Fn::ImportValue']);
  }
  return JSON.stringify(value);
}
