"""The services that Roadstead is about."""

from __future__ import annotations

SERVICES: frozenset[str] = frozenset(
    {
        "application-autoscaling",
        "autoscaling",
        "cloudwatch",
        "ec2",
        "ecr",
        "ecr-public",
        "ecs",
        "eks",
        "eks-auth",
        "elb",
        "elbv2",
        "events",
        "iam",
        "inspector2",
        "logs",
        "roadstead",
        "scheduler",
        "secretsmanager",
        "servicediscovery",
        "ssm",
        "sts",
    }
)
"""The services that Roadstead is about, by botocore's names. Which operations are built is dispatch's to say."""
