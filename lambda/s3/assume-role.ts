import { fromNodeProviderChain, fromTemporaryCredentials } from '@aws-sdk/credential-providers';

/** What the role's sessions are called in CloudTrail. */
const SESSION = 's3-log-rollup';

/** Temporary credentials of a role, renewed before they expire. */
export function assumeRole(RoleArn: string, profile: string | undefined) {
  return fromTemporaryCredentials({
    params: { RoleArn, RoleSessionName: SESSION },
    ...(profile === undefined ? {} : { masterCredentials: fromNodeProviderChain({ profile }) }),
  });
}
