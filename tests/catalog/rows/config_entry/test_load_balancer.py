import pytest


@pytest.mark.parametrize(
    ("balancer", "text"),
    [
        ({"Policy": "maglev", "HashPolicies": [{"SourceIP": True}]}, ""),
        ({"Policy": "x"}, 'Bad LoadBalancer policy: "x" is not supported'),
        (
            {"Policy": "maglev", "RingHashConfig": {}},
            "Bad LoadBalancer configuration. RingHashConfig specified for incompatible load "
            'balancing policy "maglev"',
        ),
        (
            {"Policy": "maglev", "LeastRequestConfig": {}},
            "Bad LoadBalancer configuration. LeastRequestConfig specified for incompatible load "
            'balancing policy "maglev"',
        ),
        (
            {"HashPolicies": [{"SourceIP": True}]},
            'Bad LoadBalancer configuration: HashPolicies specified for non-hash-based Policy: ""',
        ),
        (
            {"Policy": "maglev", "HashPolicies": [{"Field": "x"}]},
            'Bad LoadBalancer HashPolicy[0]: "x" is not a supported field',
        ),
        (
            {"Policy": "maglev", "HashPolicies": [{"Field": "header", "SourceIP": True}]},
            "Bad LoadBalancer HashPolicy[0]: a single hash policy cannot hash both a source "
            'address and a "header"',
        ),
        (
            {"Policy": "maglev", "HashPolicies": [{"FieldValue": "x", "SourceIP": True}]},
            "Bad LoadBalancer HashPolicy[0]: A FieldValue cannot be specified when "
            "hashing SourceIP",
        ),
        (
            {"Policy": "maglev", "HashPolicies": [{"Field": "header"}]},
            'Bad LoadBalancer HashPolicy[0]: Field "header" was specified without a FieldValue',
        ),
        (
            {
                "Policy": "maglev",
                "HashPolicies": [{"Field": "header", "FieldValue": "h", "CookieConfig": {}}],
            },
            'Bad LoadBalancer HashPolicy[0]: cookie_config provided for "header"',
        ),
        (
            {
                "Policy": "maglev",
                "HashPolicies": [
                    {
                        "Field": "cookie",
                        "FieldValue": "c",
                        "CookieConfig": {"Session": True, "TTL": "1s"},
                    }
                ],
            },
            "Bad LoadBalancer HashPolicy[0]: a session cookie cannot have an associated TTL",
        ),
    ],
)
def test_balancer_has_only_settings_of_its_policy(refusal, balancer, text):
    assert text == refusal({"Kind": "service-resolver", "LoadBalancer": balancer})
