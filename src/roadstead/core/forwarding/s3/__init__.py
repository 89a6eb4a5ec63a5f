"""S3: what a request is about, and what its sender needs to be allowed."""
