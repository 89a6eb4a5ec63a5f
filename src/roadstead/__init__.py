"""Roadstead: the AWS container APIs (ECR, ECS, EKS) on machines you own."""

__version__ = "0.1.0"
