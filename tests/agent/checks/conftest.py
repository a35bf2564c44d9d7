import ssl

import pytest
import trustme

from agent.checks.tls import ClientTls


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture
def server_tls(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("web.test").configure_cert(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


@pytest.fixture
def client_tls(authority):
    def trusting():
        context = ssl.create_default_context()
        authority.configure_trust(context)
        return context

    return ClientTls(trusting)
