"""Names and media types of OCI: the registry, the ECR API and the image client read them alike."""
