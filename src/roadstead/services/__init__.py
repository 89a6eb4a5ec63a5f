"""AWS services: one folder a service, one file a resource, one function an operation."""
