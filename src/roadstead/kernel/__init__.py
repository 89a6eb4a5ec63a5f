"""What everything else stands on: ARNs, ids, clock, errors, settings. Knows nothing of AWS services."""
