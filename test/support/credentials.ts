/** The sandbox takes any credentials; the SDK wants some, and a region. Nothing else of the machine's may count. */
for (const name of Object.keys(process.env))
  if (name.startsWith('AWS_')) Reflect.deleteProperty(process.env, name);
export const CREDENTIALS = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret-of-the-tests' };
process.env['AWS_ACCESS_KEY_ID'] = CREDENTIALS.accessKeyId;
process.env['AWS_SECRET_ACCESS_KEY'] = CREDENTIALS.secretAccessKey;
process.env['AWS_REGION'] = 'us-east-1';
// Neither a profile nor a metadata service is asked where the two above are missing.
process.env['AWS_CONFIG_FILE'] = process.env['AWS_SHARED_CREDENTIALS_FILE'] = '/dev/null';
process.env['AWS_EC2_METADATA_DISABLED'] = 'true';
