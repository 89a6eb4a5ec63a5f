"""What can go wrong with an engine; every message says what to do about it."""

from __future__ import annotations


class EngineError(Exception):
    """An engine cannot be provided or used; the message is meant for the operator."""


class InvalidRecipe(EngineError):
    """A recipe file says something that has no meaning."""


class UnknownEngine(EngineError):
    """No recipe has this name."""


class NotProvided(Exception):
    """One provider has nothing for this engine on this machine; `reason` says why, `advice` what would change that."""

    def __init__(self, reason: str, *, advice: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.advice = advice


class EngineUnavailable(EngineError):
    """No provider could give the engine; `last_resort` is the advice that always holds."""

    def __init__(self, engine: str, attempts: list[tuple[str, NotProvided]], last_resort: str) -> None:
        advice = [attempt.advice for _, attempt in attempts if attempt.advice]
        lines = [
            f"{engine} could not be provided:",
            *(f"  - {provider}: {attempt.reason}" for provider, attempt in attempts),
            "One of these helps:",
            *(f"  - {line}" for line in dict.fromkeys([*advice, last_resort])),
        ]
        super().__init__("\n".join(lines))
        self.engine = engine
        self.attempts = attempts
