"""Lifecycle policies of image repositories: `document` reads one, `evaluate` says which images it expires or archives."""
