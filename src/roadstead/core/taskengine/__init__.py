"""What an agent does next for a task, as pure decisions: the container state machine, dependencies, restarts, health and reports."""
