/** The environment as it was before the fixtures put the sandbox's credentials into it: imported before them. */
const given = Object.entries(process.env).filter(([name]) => name.startsWith('AWS_'));

/** Puts the credentials and the region back that the caller has: those of the store to attack. */
export function restoreEnvironment(): void {
  for (const name of Object.keys(process.env))
    if (name.startsWith('AWS_')) Reflect.deleteProperty(process.env, name);
  Object.assign(process.env, Object.fromEntries(given));
  process.env['AWS_REGION'] ??= 'us-east-1';
}
