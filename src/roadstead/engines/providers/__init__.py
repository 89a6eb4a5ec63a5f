"""Where engines come from: one module a kind of provider."""
