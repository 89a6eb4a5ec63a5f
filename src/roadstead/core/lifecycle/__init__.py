"""The life of a task as data and pure functions: states, events, transitions, stop codes, deadlines."""
