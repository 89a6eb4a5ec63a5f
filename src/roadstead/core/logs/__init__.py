"""Log events as values: which ones a batch may hold, which ones a filter pattern matches."""
