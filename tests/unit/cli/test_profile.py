from __future__ import annotations

from roadstead.cli.profile import with_section

VALUES = {"region": "us-east-1"}
SECTION = "[profile roadstead]\nregion = us-east-1\n"


def test_a_new_section_goes_to_the_end():
    assert with_section("", "profile roadstead", VALUES) == SECTION
    assert with_section("[default]\na = b", "profile roadstead", VALUES) == f"[default]\na = b\n\n{SECTION}"
    assert with_section("[default]\na = b\n", "profile roadstead", VALUES) == f"[default]\na = b\n\n{SECTION}"


def test_an_old_one_is_replaced_and_all_others_stay():
    before = "# mine\n[default]\na = b\n[profile roadstead]\nold = 1\nnested =\n  x = y\n[profile roadstead2]\nc = d\n"
    after = with_section(before, "profile roadstead", VALUES)
    assert after == f"# mine\n[default]\na = b\n{SECTION}[profile roadstead2]\nc = d\n"
    assert with_section(after, "profile roadstead", VALUES) == after
