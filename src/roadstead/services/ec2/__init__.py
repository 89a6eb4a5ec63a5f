"""EC2: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/. Importing it declares its operations."""

from roadstead.services.ec2 import availability_zones, network_interfaces, security_groups, subnets, vpcs

__all__ = ["availability_zones", "network_interfaces", "security_groups", "subnets", "vpcs"]
