from __future__ import annotations

from roadstead.kernel.clock import SystemClock
from roadstead.registry.recent import LIFETIME_SECONDS, Question, Recent
from roadstead.services.ecr.api import RepositoryKey

KEY = RepositoryKey("000000000000", "us-east-1", "web")


class Database:
    version: int | None = 1


class Clock(SystemClock):
    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


def question(tag: str, who: bytes = b"me") -> Question:
    return (who, KEY, tag)


def recent(database: Database, clock: Clock, capacity: int = 10) -> Recent[str]:
    return Recent(lambda: database.version, clock, len, capacity)


def test_an_answer_holds_until_something_is_committed() -> None:
    database = Database()
    answers = recent(database, Clock())
    answers.remember(question("a"), "x", 1)
    assert answers.find(question("a")) == "x"
    assert answers.find(question("a", b"somebody else")) is None
    database.version = 2
    assert answers.find(question("a")) is None
    answers.remember(question("b"), "y", 2)
    assert answers.find(question("a")) is None
    assert answers.find(question("b")) == "y"


def test_what_was_read_before_a_commit_is_not_kept_after_it() -> None:
    database = Database()
    answers = recent(database, Clock())
    database.version = 2
    answers.remember(question("a"), "old", 1)
    assert answers.find(question("a")) is None


def test_nothing_is_kept_where_others_write_too() -> None:
    database = Database()
    database.version = None
    answers = recent(database, Clock())
    answers.remember(question("a"), "x", None)
    assert answers.find(question("a")) is None


def test_answers_age_and_make_room() -> None:
    clock = Clock()
    answers = recent(Database(), clock)
    for tag in "abc":
        answers.remember(question(tag), "1234", 1)
    assert [answers.find(question(tag)) for tag in "abc"] == [None, "1234", "1234"]
    answers.remember(question("b"), "12345678", 1)
    assert [answers.find(question(tag)) for tag in "bc"] == ["12345678", None]
    clock.seconds = LIFETIME_SECONDS + 0.1
    assert answers.find(question("b")) is None
