"""The engine that brings a host to its desired state: one reconciler a kind, desired and observed in, actions out."""
