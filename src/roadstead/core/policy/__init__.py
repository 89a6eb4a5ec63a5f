"""The decision whether a principal may do something: policies in, a verdict with its reasons out.

`document` reads a policy, `compile` makes it quick to ask, `evaluate` decides over all policies that apply, `explain` words a denial.
"""
