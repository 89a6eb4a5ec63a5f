"""What happened, as CloudTrail tells it: events of every request, their files, and how they are read again.

Edges give events to a `Trail`; it never makes a request wait, and never makes one fail.
"""
