import { fromIni, fromTemporaryCredentials } from '@aws-sdk/credential-providers';

/** What a role's sessions are called in CloudTrail. */
const SESSION = 's3-log-rollup';

/**
 * Credentials of a profile, or temporary ones of a role: assumed with those of the profile, or else with those that the
 * SDK finds by itself. A profile counts before the credentials in the environment.
 */
export function findCredentials({
  profile,
  roleArn: RoleArn,
}: {
  profile: string | undefined;
  roleArn: string | undefined;
}) {
  const ofProfile = fromIni(profile === undefined ? {} : { profile });
  if (RoleArn === undefined) return ofProfile;
  return fromTemporaryCredentials({
    params: { RoleArn, RoleSessionName: SESSION },
    ...(profile === undefined ? {} : { masterCredentials: ofProfile }),
  });
}
