from catalog.rows.intention import Intention
from catalog.shape import to_json


def test_intention_without_id_shows_no_times():
    shown = to_json(Intention(source_name="a", destination_name="b", action="deny", precedence=9))

    assert shown == {
        "SourceNS": "default",
        "SourceName": "a",
        "DestinationNS": "default",
        "DestinationName": "b",
        "SourceType": "consul",
        "Action": "deny",
        "Precedence": 9,
        "CreateIndex": 0,
        "ModifyIndex": 0,
    }
