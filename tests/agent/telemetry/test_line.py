import json

from hypothesis import given
from hypothesis import strategies as st

from agent.telemetry.line import INFO, LEVELS, WARN, Line, level_of

AT_S = 1795593600.0


def test_text_form_is_that_of_consuls_logger():
    line = Line(INFO, "agent.http", "request done", AT_S, {"method": "GET", "took_ms": 2})

    assert line.as_text() == (
        "2026-11-25T08:00:00.000Z [INFO]  agent.http: request done: method=GET took_ms=2"
    )


def test_text_form_without_fields_has_no_colon():
    assert Line(WARN, "agent", "bye", AT_S).as_text().endswith("[WARN]  agent: bye")


def test_values_with_spaces_or_quotes_are_quoted():
    line = Line(INFO, "agent", "x", AT_S, {"a": "b c", "d": 'e"f', "g": "", "h": "i=j"})

    assert line.as_text().endswith(r'x: a="b c" d="e\"f" g="" h="i=j"')


def test_value_of_several_lines_stands_below():
    line = Line(INFO, "agent", "failed", AT_S, {"traceback": "a\nb", "code": 1})

    assert line.as_text().endswith("failed: code=1\n  traceback=\n  | a\n  | b")


def test_event_cannot_forge_a_line():
    assert "\n" not in Line(INFO, "agent", "a\n2026 [ERROR] agent: b", AT_S).as_text()


def test_json_form_is_that_of_consuls_logger():
    line = Line(WARN, "agent.http", "slow", AT_S, {"took_ms": 2, "ok": False, "path": b"\xff"})

    assert json.loads(line.as_json()) == {
        "@level": "warn",
        "@message": "slow",
        "@module": "agent.http",
        "@timestamp": "2026-11-25T08:00:00.000000Z",
        "took_ms": 2,
        "ok": False,
        "path": "b'\\xff'",
    }


def test_numbers_of_logging_fall_to_the_level_below():
    assert [level_of(number) for number in (0, 5, 19, 20, 50)] == [5, 5, 10, 20, 40]


def test_level_names_are_those_of_the_api():
    assert {"TRACE", "DEBUG", "INFO", "WARN", "ERR"} <= set(LEVELS)


@given(st.text(), st.dictionaries(st.text(max_size=5), st.text(max_size=30), max_size=3))
def test_any_text_makes_a_line_of_either_form(event, fields):
    line = Line(INFO, "agent", event, AT_S, fields)

    line.as_text().encode("utf-8", "backslashreplace")
    json.loads(line.as_json())
