import { handlerProxy } from '../../proxy.ts';
import { fromIni, fromTemporaryCredentials } from '@aws-sdk/credential-providers';

/** Name of a role's sessions in CloudTrail. */
const SESSION = 's3-log-rollup';

/**
 * Credentials of a profile, or temporary ones of a role, which is assumed with the credentials of the profile or, without
 * one, with those that the SDK finds by itself. A profile takes precedence over credentials in the environment.
 */
export function findCredentials({
  profile,
  roleArn: RoleArn,
  externalId: ExternalId,
}: {
  profile: string | undefined;
  roleArn: string | undefined;
  /** Sent with the role. */
  externalId?: string | undefined;
}) {
  const clientConfig = { requestHandler: handlerProxy() };
  const ofProfile = fromIni({ clientConfig, ...(profile === undefined ? {} : { profile }) });
  if (RoleArn === undefined) return ofProfile;
  return fromTemporaryCredentials({
    clientConfig,
    params: { RoleArn, RoleSessionName: SESSION, ...(ExternalId === undefined ? {} : { ExternalId }) },
    ...(profile === undefined ? {} : { masterCredentials: ofProfile }),
  });
}
