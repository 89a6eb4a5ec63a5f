"""Container output: kept in files that the shims write, shipped as log events, and bounded also while no agent runs.

docs/decisions/0003-container-output.md says why.
"""
