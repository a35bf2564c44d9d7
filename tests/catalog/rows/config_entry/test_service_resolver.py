import pytest

from catalog.rows.config_entry.service_resolver import ServiceResolver, Subset


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, ""),
        ({"Subsets": {"v1": {"Filter": "(("}}}, ""),
        ({"RequestTimeout": "-1s"}, "Bad RequestTimeout '-1s', must be >= 0"),
        (
            {"Redirect": {"Service": "y", "Peer": "p", "ServiceSubset": "v1"}},
            "Redirect.Peer cannot be set with Redirect.ServiceSubset",
        ),
        (
            {"Redirect": {"Service": "y", "Peer": "p", "Datacenter": "dc2"}},
            "Redirect.Peer cannot be set with Redirect.Datacenter",
        ),
        ({"Redirect": {"Peer": "p"}}, "Redirect.Peer defined without Redirect.Service"),
        (
            {"Redirect": {"Service": "y", "Partition": "p"}},
            "Redirect: Setting Partition requires Consul Enterprise",
        ),
        (
            {"Redirect": {"SamenessGroup": "g"}},
            "Redirect: Setting SamenessGroup requires Consul Enterprise",
        ),
        ({"Failover": {"*": {"Targets": [{"Service": "y"}, {"Datacenter": "dc2"}]}}}, ""),
        (
            {"Failover": {"*": {"Targets": [{"Service": "y"}], "Datacenters": ["dc2"]}}},
            'Bad Failover["*"]: Targets cannot be set with Datacenters',
        ),
        (
            {"Failover": {"*": {"Targets": [{"Service": "y"}], "Service": "z"}}},
            'Bad Failover["*"]: Targets cannot be set with Service',
        ),
        (
            {"Failover": {"*": {"Targets": [{"Peer": "p", "Datacenter": "dc2"}]}}},
            'Bad Failover["*"].Targets[0]: Peer cannot be set with Datacenter',
        ),
        (
            {"Failover": {"*": {"Targets": [{"ServiceSubset": "v9"}]}}},
            'Bad Failover["*"].Targets[0]: ServiceSubset "v9" is not a valid subset of "x"',
        ),
        (
            {"Failover": {"*": {"Service": "y", "Policy": {"Mode": "order-by-locality"}}}},
            'Bad Failover["*"]: Setting failover policies requires Consul Enterprise',
        ),
        ({"DefaultSubset": "x"}, 'DefaultSubset "x" is not a valid subset'),
        ({"ConnectTimeout": "-5s"}, "Bad ConnectTimeout '-5s', must be >= 0"),
        ({"Failover": {"no": {"Service": "x"}}}, 'Bad Failover["no"]: not a valid subset'),
        (
            {"Failover": {"*": {}}},
            'Bad Failover["*"] one of Service, ServiceSubset, Namespace, or Datacenters '
            "is required",
        ),
        (
            {"Failover": {"*": {"ServiceSubset": "v9"}}},
            'Bad Failover["*"].ServiceSubset "v9" is not a valid subset of ""',
        ),
        (
            {"Failover": {"*": {"Datacenters": [""]}}},
            'Bad Failover["*"].Datacenters: found empty datacenter',
        ),
        ({"Redirect": {}}, "Redirect is empty"),
        (
            {"Redirect": {"ServiceSubset": "v1"}},
            "Redirect.ServiceSubset defined without Redirect.Service",
        ),
        (
            {"Redirect": {"Namespace": "n"}},
            "Redirect.Namespace defined without Redirect.Service",
        ),
        (
            {"Redirect": {"Service": "x", "ServiceSubset": "v9"}},
            'Redirect.ServiceSubset "v9" is not a valid subset of "x"',
        ),
        (
            {"Redirect": {"Service": "y"}, "Failover": {"*": {"Service": "z"}}},
            "Redirect and Failover cannot both be set",
        ),
        ({"Subsets": {"": {}}}, "Subset defined with empty name"),
        (
            {"Subsets": {"V1": {}}},
            'Subset "V1" is invalid: must be 63 characters or fewer, begin or end with lower case '
            "alphanumeric characters, and contain lower case alphanumeric characters or '-' in "
            "between",
        ),
    ],
)
def test_resolver_that_contradicts_itself_is_refused(refusal, fields, text):
    assert text == refusal({"Kind": "service-resolver", **fields})


def test_resolver_that_changes_nothing_is_the_default():
    assert ServiceResolver(name="x").is_default
    assert not ServiceResolver(name="x", subsets={"v1": Subset()}).is_default
