"""The HTTP edge of the AWS APIs: identify, authenticate, parse, validate, authorise, run, answer."""
