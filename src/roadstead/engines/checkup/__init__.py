"""What `roadstead doctor` looks at: one module an area, each giving findings."""

from roadstead.engines.checkup.finding import Finding, Verdict
from roadstead.engines.checkup.run import examine

__all__ = ["Finding", "Verdict", "examine"]
