"""CloudWatch Logs: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/."""

from roadstead.services.logs import events, filtering, groups, retention, streams

__all__ = ["events", "filtering", "groups", "retention", "streams"]
