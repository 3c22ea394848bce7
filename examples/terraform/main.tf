# Deploys a release of s3-log-rollup as a CloudFormation stack.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "release" {
  description = "Folder with the files of the release"
  type        = string
}

variable "release_version" {
  description = "The release, as a part of the keys of its files: a new one makes CloudFormation take the new code"
  type        = string
}

variable "code_bucket" {
  description = "Bucket for the files of the release, in the region of the stack"
  type        = string
}

variable "raw_bucket" {
  description = "Existing bucket of raw logs"
  type        = string
}

variable "alarm_email" {
  description = "Address that alarms are sent to; empty for none"
  type        = string
  default     = ""
}

locals {
  files = toset(["function.zip", "steps.zip", "s3-log-rollup.template.json"])
}

resource "aws_s3_object" "release" {
  for_each = local.files

  bucket      = var.code_bucket
  key         = "s3-log-rollup/${var.release_version}/${each.key}"
  source      = "${var.release}/${each.key}"
  source_hash = filemd5("${var.release}/${each.key}")
}

resource "aws_cloudformation_stack" "rollup" {
  # At most 32 characters: names in the stack begin with it.
  name         = "LogRollup"
  template_url = "https://${var.code_bucket}.s3.amazonaws.com/${aws_s3_object.release["s3-log-rollup.template.json"].key}"
  capabilities = ["CAPABILITY_IAM"]

  parameters = {
    CodeBucket       = var.code_bucket
    FunctionKey      = aws_s3_object.release["function.zip"].key
    StepsKey         = aws_s3_object.release["steps.zip"].key
    RawBucket        = var.raw_bucket
    RawRoot          = "raw/"
    SourcePattern    = "checkout/{yyyy}{MM}{dd}/{HH}/"
    AggregatedBucket = var.raw_bucket
    AggregatedRoot   = "aggregated/"
    Codec            = "keep"
    ScheduleMinute   = "10"
    AlarmEmail       = var.alarm_email
    FanOut           = "false"
  }
}

# The role that policies of buckets and keys in other accounts must admit.
output "function_role_arn" {
  value = aws_cloudformation_stack.rollup.outputs["FunctionRoleArn"]
}

output "dashboard_url" {
  value = aws_cloudformation_stack.rollup.outputs["DashboardUrl"]
}
