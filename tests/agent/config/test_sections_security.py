from agent.config.schema import LIVE, walk
from agent.config.sections_security import ACL, TLS, Connect
from catalog.duration import SECOND


def test_access_control_is_off_and_open_by_default():
    acl = ACL()

    assert (
        acl.enabled,
        acl.default_policy,
        acl.down_policy,
        acl.token_ttl,
    ) == (False, "allow", "extend-cache", 30 * SECOND)
    assert (Connect().enabled, Connect().ca_provider) == (False, "consul")


def test_tokens_are_secret_and_live():
    tokens = [field.option for path, field in walk(ACL) if path.startswith("tokens.")]

    assert all(option.secret and option.reload is LIVE for option in tokens)


def test_tls_files_are_live():
    assert all(field.option.reload is LIVE for _, field in walk(TLS))
