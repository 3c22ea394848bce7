#!/usr/bin/env bash
# Deploys a release by CloudFormation alone: no CDK, no bootstrap.
#
#   VERSION=1.0.0-rc.1 CODE_BUCKET=my-releases ./deploy.sh LogRollup \
#     RawBucket=application-logs AggregatedBucket=application-logs \
#     'SourcePattern=checkout/{yyyy}{MM}{dd}/{HH}/' AlarmEmail=on-call@example.com
#
# CODE_BUCKET is a bucket of yours in the region of the stack. The files of the release lie in RELEASE.
set -euo pipefail

stack=${1:?give the name of the stack, and Parameters behind it: RawBucket=application-logs}
shift
release=${RELEASE:-release}
prefix=s3-log-rollup/${VERSION:?set it to the version of the release}
: "${CODE_BUCKET:?set it to a bucket of yours in the region of the stack}"

for file in function.zip steps.zip; do
  aws s3 cp "$release/$file" "s3://$CODE_BUCKET/$prefix/$file"
done

# The template has more than the 51,200 bytes that CloudFormation takes directly: it goes by way of the bucket.
aws cloudformation deploy \
  --stack-name "$stack" \
  --template-file "$release/s3-log-rollup.template.json" \
  --s3-bucket "$CODE_BUCKET" --s3-prefix "$prefix" \
  --capabilities CAPABILITY_IAM \
  --parameter-overrides \
    CodeBucket="$CODE_BUCKET" \
    FunctionKey="$prefix/function.zip" \
    StepsKey="$prefix/steps.zip" \
    "$@"
