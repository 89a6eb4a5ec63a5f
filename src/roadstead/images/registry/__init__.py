"""A client of OCI registries (OCI distribution 1.1), ours among them."""
