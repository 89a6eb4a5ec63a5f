from __future__ import annotations

from roadstead.access.arrival import Arrival
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


def found(answers: Recent[str], asked: Question) -> str | None:
    kept = answers.find(asked)
    return None if kept is None else kept.answer


def question(tag: str, who: bytes = b"me", where: str = "127.0.0.1") -> Question:
    return (who, Arrival(source_ip=where), KEY, tag)


def recent(database: Database, clock: Clock, capacity: int = 10) -> Recent[str]:
    return Recent(lambda: database.version, clock, len, capacity)


def test_an_answer_holds_until_something_is_committed() -> None:
    database = Database()
    answers = recent(database, Clock())
    answers.remember(question("a"), "x", 1)
    assert found(answers, question("a")) == "x"
    assert found(answers, question("a", b"somebody else")) is None
    assert found(answers, question("a", where="127.0.0.2")) is None
    database.version = 2
    assert found(answers, question("a")) is None
    answers.remember(question("b"), "y", 2)
    assert found(answers, question("a")) is None
    assert found(answers, question("b")) == "y"


def test_what_was_read_before_a_commit_is_not_kept_after_it() -> None:
    database = Database()
    answers = recent(database, Clock())
    database.version = 2
    answers.remember(question("a"), "old", 1)
    assert found(answers, question("a")) is None


def test_nothing_is_kept_where_others_write_too() -> None:
    database = Database()
    database.version = None
    answers = recent(database, Clock())
    answers.remember(question("a"), "x", None)
    assert found(answers, question("a")) is None


def test_answers_age_and_make_room() -> None:
    clock = Clock()
    answers = recent(Database(), clock)
    for tag in "abc":
        answers.remember(question(tag), "1234", 1)
    assert [found(answers, question(tag)) for tag in "abc"] == [None, "1234", "1234"]
    answers.remember(question("b"), "12345678", 1)
    assert [found(answers, question(tag)) for tag in "bc"] == ["12345678", None]
    clock.seconds = LIFETIME_SECONDS + 0.1
    assert found(answers, question("b")) is None


def test_what_is_kept_tells_whether_it_holds() -> None:
    database, clock = Database(), Clock()
    answers = recent(database, clock)
    kept = answers.remember(question("a"), "x", 1)
    assert kept is not None
    assert answers.holds(kept)
    clock.seconds = LIFETIME_SECONDS + 0.1
    assert not answers.holds(kept)
    clock.seconds = 0
    database.version = 2
    assert not answers.holds(kept)
    assert answers.remember(question("a"), "x", 1) is None
