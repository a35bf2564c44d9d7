"""Rows of the commands that make certificates for the agents' TLS."""

from typing import Final

from agent.cli.command import Command
from agent.cli.flags import Flag, Kind

GROUP: Final = "Certificates"

_DOMAIN: Final = Flag("domain", "Domain of the cluster.", default="consul")

ROWS: Final[tuple[Command, ...]] = (
    Command(
        "tls ca create",
        GROUP,
        "Create an authority for the agents' TLS",
        "tls:ca_create",
        http=False,
        flags=(
            Flag(
                "additional-name-constraint",
                "One more domain to sign for, with -name-constraint.",
                Kind.TEXTS,
            ),
            Flag("cluster-id", "Id of the cluster, to be the trust domain of the authority."),
            Flag("common-name", "Name of the authority; made of its serial number when empty."),
            Flag("days", "Days for which it is valid.", Kind.COUNT, "1825"),
            _DOMAIN,
            Flag(
                "name-constraint",
                "Sign for -domain, localhost and -additional-name-constraint only.",
                Kind.SWITCH,
            ),
        ),
        notes="Writes DOMAIN-agent-ca.pem and DOMAIN-agent-ca-key.pem to the working directory.",
    ),
    Command(
        "tls cert create",
        GROUP,
        "Create a certificate for an agent or a user",
        "tls:cert_create",
        http=False,
        flags=(
            Flag("additional-dnsname", "One more DNS name; localhost is one.", Kind.TEXTS),
            Flag("additional-ipaddress", "One more address; 127.0.0.1 is one.", Kind.TEXTS),
            Flag("ca", "File of the authority.", default="#DOMAIN#-agent-ca.pem"),
            Flag("cli", "For a user of the HTTP API.", Kind.SWITCH),
            Flag("client", "For a client agent.", Kind.SWITCH),
            Flag("days", "Days for which it is valid.", Kind.COUNT, "365"),
            Flag("dc", "Datacenter, in the certificate's name.", default="dc1"),
            _DOMAIN,
            Flag("key", "File of the authority's key.", default="#DOMAIN#-agent-ca-key.pem"),
            Flag("node", "Node name, for one more name: NODE.server.DC.DOMAIN."),
            Flag("server", "For a server.", Kind.SWITCH),
        ),
        notes="Writes DC-KIND-DOMAIN-NUMBER.pem and its key to the working directory, with the "
        "first number that is free.",
    ),
)
