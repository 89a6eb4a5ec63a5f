"""The image client: images between registries, OCI layouts and docker archives. It speaks the public protocols only, as any client does."""
