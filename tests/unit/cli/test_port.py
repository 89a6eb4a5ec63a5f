from __future__ import annotations

import socket

from roadstead.cli.port import port_problem
from roadstead.cli.settings import Config


def test_a_free_port_is_no_problem_and_a_taken_one_is():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        assert f"another program listens on {listen}" in port_problem(Config(listen=listen))
    assert port_problem(Config(listen=listen)) == ""


def test_an_address_of_another_machine():
    assert port_problem(Config(listen="192.0.2.77:4566")).startswith("can't listen on 192.0.2.77:4566")
