"""Signatures, tokens, principals and decisions: the one way in for every edge."""
