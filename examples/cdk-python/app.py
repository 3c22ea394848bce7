"""A CDK app in Python that includes the plain template of a release of s3-log-rollup.

The files of the release are uploaded beforehand:

    aws s3 cp release/ s3://my-releases/s3-log-rollup/1.0.0-rc.1/ --recursive --exclude '*' --include '*.zip'
"""

import os

from aws_cdk import App, Stack
from aws_cdk.cloudformation_include import CfnInclude
from constructs import Construct

RELEASE = os.environ.get("RELEASE", "../../release")
CODE = "s3-log-rollup/1.0.0-rc.1"


class Logs(Stack):
    """A rollup of one stream beside existing buckets."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        # The template's outputs are outputs of this stack, by which `s3-rollup status --stack Logs` finds it. Its resources can be
        # referred to by get_resource().
        CfnInclude(
            self,
            "Rollup",
            template_file=f"{RELEASE}/s3-log-rollup.template.json",
            parameters={
                "CodeBucket": "my-releases",
                "FunctionKey": f"{CODE}/function.zip",
                "StepsKey": f"{CODE}/steps.zip",
                "RawBucket": "application-logs",
                "RawRoot": "raw/",
                "SourcePattern": "checkout/{yyyy}{MM}{dd}/{HH}/",
                "AggregatedBucket": "application-logs",
                "AggregatedRoot": "aggregated/",
                "Codec": "keep",
                "ScheduleMinute": 10,
                "AlarmEmail": "on-call@example.com",
                "FanOut": "false",
            },
        )


app = App()
Logs(app, "Logs")
app.synth()
