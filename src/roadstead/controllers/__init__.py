"""Loops that bring what is observed to what is desired. Level-triggered: a pass compares from the store, a lost wake-up costs time only."""
