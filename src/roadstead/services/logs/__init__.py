"""CloudWatch Logs: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/."""

from roadstead.services.logs import events, filtering, groups, retention, streams, tags

__all__ = ["events", "filtering", "groups", "retention", "streams", "tags"]
