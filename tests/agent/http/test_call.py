"""Queries decoded once; answers and refusals as values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.http.call import NOTHING, Answer, HttpError, Query, percent_decode
from tests.agent.harness import House


def test_names_and_values_are_decoded_once():
    query = Query("a%2520=b+c%2B&flag&x=1&x=2&")

    assert query.get("a%20") == "b c+"
    assert (query.get("flag"), query.has("flag"), query.text("flag")) == ("", True, "")
    assert (query.get("none"), query.has("none"), query.text("none")) == (None, False, "")
    assert (query.get("x"), query.all("x"), query.all("none")) == ("1", ["1", "2"], [])


def test_parameters_are_encoded_in_the_order_of_their_names():
    assert Query("b=2 3&a=1").encoded() == "a=1&b=2+3"


@pytest.mark.parametrize("text", ["%", "%2", "%zz", "a=%e2%28%a1"])
def test_a_bad_escape_is_refused_with_400(text):
    with pytest.raises(HttpError) as caught:
        Query(text)

    assert caught.value.status == 400
    assert caught.value.text.startswith("Invalid query: ")


@given(st.text())
def test_what_is_encoded_is_decoded_to_the_same(text):
    encoded = "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "ignore"))

    assert percent_decode(encoded) == text.encode("utf-8", "ignore").decode()


def test_an_answer_without_json_differs_from_null():
    assert Answer().json is NOTHING
    assert Answer(json=None).json is None


def test_a_refusal_keeps_its_own_headers():
    headers = {"Location": "/"}
    error = HttpError(301, "", headers)
    error.headers["X"] = "y"

    assert (headers, str(error)) == ({"Location": "/"}, "")


async def test_a_call_knows_its_agent(house: House):
    seen = []
    real = house.agent.front.answer

    async def answer(call, found):
        seen.append(call)
        return await real(call, found)

    house.agent.front.answer = answer
    await house.ask("GET", "/v1/status/peers", X_Header="h")

    (call,) = seen
    assert (call.datacenter, call.node_name, call.source_address) == ("dc1", "node-a", "127.0.0.1")
    assert call.local is house.agent.local
    assert call.headers.get("x-header") == "h"
