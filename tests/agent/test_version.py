"""The program's version, and the API's."""

import re

from agent.version import COMPATIBLE, REVISION, VERSION


def test_clients_can_compare_both_versions():
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)
    assert COMPATIBLE == "1.9.8"
    assert REVISION
