"""The commands of `understudy`, one file each: options, help, and how a result reads.

Modules here import only what shows help; the work's modules (boto3, Pulumi) are imported when a command runs.
"""
