"""Which container instance a task goes to, and why it can't go anywhere. Pure."""
