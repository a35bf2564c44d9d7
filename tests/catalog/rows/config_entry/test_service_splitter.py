import pytest

from catalog.rows.config_entry.service_splitter import round_weight


@pytest.mark.parametrize(
    ("splits", "text"),
    [
        ([{"Weight": 33.333, "Service": "a"}, {"Weight": 66.67}], ""),
        ([], "no splits configured"),
        ([{"Weight": 60}], "the sum of all split weights must be 100, not 60.000000"),
        (
            [{"Weight": -50}, {"Weight": 150, "Service": "a"}],
            "split weight must be between 0 and 100, not -50.000000",
        ),
        (
            [{"Weight": 50}, {"Weight": 50, "Service": "x"}],
            'split destination occurs more than once: service="x", subset="", namespace=""',
        ),
    ],
)
def test_splits_add_up_and_differ(refusal, splits, text):
    assert text == refusal({"Kind": "service-splitter", "Splits": splits})


def test_weights_have_two_decimals():
    assert round_weight(33.333) == 33.33


def test_header_of_a_split_has_a_name(refusal):
    splits = [{"Weight": 100, "RequestHeaders": {"Set": {"": "x"}}}]

    text = refusal({"Kind": "service-splitter", "Splits": splits})

    assert 'Splits: RequestHeaders.Set: "" is no name of a header' == text
