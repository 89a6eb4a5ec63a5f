"""The VPC's resolver at 169.254.169.253 and the CIDR's base plus two."""
