"""Networks of the host: VPCs as namespaces that route, subnets as bridges, interfaces as veth pairs, DNS and the gateway."""
