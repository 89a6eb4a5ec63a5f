"""Task definitions: what is valid, and in which form they are kept. Pure, on dictionaries in AWS's shape."""
