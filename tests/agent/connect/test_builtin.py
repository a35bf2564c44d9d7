import pytest

from agent.connect import certificates
from agent.connect.builtin import Builtin, Surroundings, from_user
from agent.connect.keys import from_pem
from agent.connect.settings import canonical, read_settings
from catalog.errors import Invalid

NOW_S = 1_800_000_000.0


async def take_serial():
    return 5


AROUND = Surroundings(take_serial, lambda: NOW_S, lambda: "abcdefgh-1")


def builtin(**config):
    return Builtin(read_settings(canonical(config)), "cluster", None, AROUND)


async def test_root_lives_as_long_as_the_settings_say():
    config = {"RootCertTTL": "10000h", "IntermediateCertTTL": "8760h"}

    made = await builtin(**config).make_root()

    certificate = certificates.parse_certificate(made.root.root_cert)
    assert certificate.not_valid_after_utc.timestamp() == NOW_S + 10000 * 3600
    assert certificate.not_valid_before_utc.timestamp() < NOW_S
    assert certificates.belongs(certificate, from_pem(made.signer.private_key))
    assert made.root.id == made.signer.root_id


async def test_without_a_key_nothing_is_signed():
    provider = builtin()
    made = await provider.make_root()

    with pytest.raises(Invalid, match="key of the present root certificate is not known"):
        await provider.cross_sign(certificates.parse_certificate(made.root.root_cert))


async def test_there_is_no_intermediate_and_no_login():
    provider = builtin()

    await provider.keep_access()

    assert await provider.renew_intermediate() is None


def test_key_that_is_none_is_refused_without_being_quoted():
    with pytest.raises(Invalid) as refusal:
        from_user("s3cret")

    assert "s3cret" not in str(refusal.value)
