import ssl

from agent.checks.tls import ClientTls, TlsDemand


def test_context_is_made_once_for_each_demand():
    client_tls = ClientTls()

    first = client_tls.context(TlsDemand())

    assert first is client_tls.context(TlsDemand())
    assert first is not client_tls.context(TlsDemand(skip_verify=True))


def test_verification_is_on_unless_skipped():
    client_tls = ClientTls()

    assert client_tls.context(TlsDemand()).verify_mode == ssl.CERT_REQUIRED
    assert client_tls.context(TlsDemand(skip_verify=True)).verify_mode == ssl.CERT_NONE


def test_agent_context_is_made_anew_after_forget():
    made = []

    def agent_tls():
        made.append(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        return made[-1]

    client_tls = ClientTls(agent_tls)

    assert client_tls.context(TlsDemand()) is made[0]
    client_tls.forget()
    assert client_tls.context(TlsDemand()) is made[1]
