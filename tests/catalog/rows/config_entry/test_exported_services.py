import pytest


def exports(*services, name="default"):
    return {"Kind": "exported-services", "Name": name, "Services": list(services)}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (exports({"Name": "*", "Namespace": "*", "Consumers": [{"Peer": "west"}]}), ""),
        (exports(name="other"), 'exported-services Name must be "default"'),
        (exports({}), "Services[0]: service name cannot be empty"),
        (exports({"Name": "web"}), "Services[0]: must have at least one consumer"),
        (
            exports({"Name": "web", "Namespace": "*"}),
            "Services[0]: service name must be wildcard if namespace is wildcard",
        ),
        (
            exports({"Name": "web", "Consumers": [{"Peer": "a", "Partition": "default"}]}),
            "Services[0].Consumers[0]: must define exactly one of Peer, Partition, or "
            "SamenessGroup",
        ),
        (
            exports({"Name": "web", "Consumers": [{"Peer": "*"}]}),
            "Services[0].Consumers[0]: exporting to all peers (wildcard) is not supported",
        ),
        (
            exports({"Name": "web", "Consumers": [{"SamenessGroup": "g"}]}),
            "Services[0].Consumers[0]: sameness-groups are an enterprise-only feature",
        ),
    ],
)
def test_exports_that_contradict_themselves_are_refused(refusal, body, text):
    assert text == refusal(body)
