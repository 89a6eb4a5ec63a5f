"""The edge for agents: ACS and TCS websockets, the host watch stream."""
