"""Rows of the commands about intentions, config entries and certificates."""

from typing import Final

from agent.cli.command import Command
from agent.cli.flags import Flag, Kind
from agent.cli.rows.shared import CAS, FORMAT

GROUP: Final = "Service mesh"
WHICH_PROXY: Final = (
    Flag("proxy-id", "Id of the registered proxy."),
    Flag("sidecar-for", "Id of the service instance whose sidecar it is."),
)

ROWS: Final[tuple[Command, ...]] = (
    Command(
        "intention create",
        GROUP,
        "Allow or deny connections between services",
        "intention:create",
        "SOURCE DESTINATION | FILE...",
        server=True,
        flags=(
            Flag("allow", "Allow connections (the default).", Kind.SWITCH),
            Flag("deny", "Deny connections.", Kind.SWITCH),
            Flag("file", "Arguments are files of intentions in JSON.", Kind.SWITCH),
            Flag("meta", "Metadata, key=value.", Kind.TEXTS),
            Flag("replace", "Replace an intention that exists.", Kind.SWITCH),
        ),
    ),
    Command(
        "intention check",
        GROUP,
        "Tell whether a connection is allowed",
        "intention:check",
        "SOURCE DESTINATION",
        server=True,
        notes="Exits with 0 when allowed and 1 when denied.",
    ),
    Command(
        "intention match",
        GROUP,
        "List the intentions of a service, first match first",
        "intention:match",
        "SERVICE",
        server=True,
        flags=(
            Flag("destination", "SERVICE is the destination (the default).", Kind.SWITCH),
            Flag("source", "SERVICE is the source.", Kind.SWITCH),
        ),
    ),
    Command(
        "intention get",
        GROUP,
        "Show one intention",
        "intention:get",
        "SOURCE DESTINATION | ID",
        server=True,
    ),
    Command(
        "intention delete",
        GROUP,
        "Remove an intention",
        "intention:delete",
        "SOURCE DESTINATION | ID",
        server=True,
    ),
    Command("intention list", GROUP, "List intentions", "intention:list_", server=True),
    Command(
        "config write",
        GROUP,
        "Write a config entry",
        "config:write",
        "FILE",
        server=True,
        flags=CAS,
        notes="FILE is HCL or JSON; - is standard input.",
    ),
    Command(
        "config read",
        GROUP,
        "Print a config entry",
        "config:read",
        server=True,
        flags=(Flag("kind", "Kind of the entry."), Flag("name", "Name of the entry.")),
    ),
    Command(
        "config list",
        GROUP,
        "List names of config entries of one kind",
        "config:list_",
        server=True,
        flags=(
            Flag("kind", "Kind of the entries."),
            Flag("filter", "Only entries for which the expression holds."),
        ),
    ),
    Command(
        "config delete",
        GROUP,
        "Remove a config entry",
        "config:delete",
        server=True,
        flags=(
            *CAS,
            Flag("kind", "Kind of the entry."),
            Flag("name", "Name of the entry."),
            Flag("filename", "File of the entry, instead of its kind and name; - is the input."),
        ),
    ),
    Command(
        "connect ca get-config",
        GROUP,
        "Print the configuration of the certificate authority",
        "connect:get_config",
        server=True,
    ),
    Command(
        "connect ca set-config",
        GROUP,
        "Replace the configuration of the certificate authority",
        "connect:set_config",
        server=True,
        flags=(
            Flag("config-file", "File of the new configuration, HCL or JSON."),
            Flag(
                "force-without-cross-signing",
                "Change the root even if the old one cannot sign the new one.",
                Kind.SWITCH,
            ),
        ),
    ),
    Command(
        "connect proxy",
        GROUP,
        "Run the proxy of a service in the foreground",
        "connect_proxy:proxy",
        flags=(
            *WHICH_PROXY,
            Flag("service", "Service that the proxy is for; registers one as long as it runs."),
            Flag("upstream", "Upstream as name:port, with -service.", Kind.TEXTS),
            Flag("listen", "Address of the public listener, host:port, with -service."),
            Flag("service-addr", "Address of the local service, host:port, with -service."),
            Flag("register-id", "What tells several such proxies of a service apart."),
        ),
        notes="The agent's own worker leaves a proxy alone while another one runs it.",
    ),
    Command(
        "connect envoy",
        GROUP,
        "Run an Envoy as the proxy of a service, or print its bootstrap",
        "connect_proxy:envoy",
        "[-- ENVOY ARGUMENTS]",
        flags=(
            *WHICH_PROXY,
            Flag("bootstrap", "Print the bootstrap as JSON, and run nothing.", Kind.SWITCH),
            Flag("gateway", "Kind of the gateway, mesh, terminating or ingress, with -proxy-id."),
            Flag(
                "admin-bind", "Address of Envoy's own pages, host:port.", default="localhost:19000"
            ),
            Flag(
                "grpc-addr", "Address of the agent's gRPC port, host:port. Also CONSUL_GRPC_ADDR."
            ),
            Flag("envoy-binary", "Envoy to run; searched on the path when empty."),
        ),
        notes="The agent needs ports.grpc, which -dev sets, and the extra [xds].",
    ),
    Command(
        "mesh explain",
        GROUP,
        "Tell where a request between two services goes, and whether it may",
        "mesh_explain:explain",
        "SOURCE DESTINATION [METHOD PATH]",
        flags=(
            Flag("header", "A header of the request, name:value.", Kind.TEXTS),
            Flag("host", "The host that the request names; else the destination."),
            Flag("format", "How to print: pretty or json.", default="pretty"),
        ),
        notes="Exits with 0 when the request is allowed and 1 when it is not.",
    ),
    Command(
        "connect ca roots",
        GROUP,
        "List the root certificates, when they end and how many leaves they have",
        "connect:roots",
        server=True,
        notes="Next Root is when the servers make another one by themselves.",
    ),
    Command(
        "connect ca rotate",
        GROUP,
        "Have another root certificate in use",
        "connect:rotate",
        server=True,
        flags=(Flag("plan", "Only list the roots with their leaves.", Kind.SWITCH),),
        notes="The old root is trusted until its last leaf has ended.",
    ),
    Command(
        "connect ca leaves",
        GROUP,
        "List the leaf certificates that have not ended",
        "connect:leaves",
        server=True,
        flags=(FORMAT, Flag("filter", "Filter expression on Serial, URI and RootID.")),
    ),
    Command(
        "connect ca revoke",
        GROUP,
        "Refuse leaf certificates from now on",
        "connect:revoke",
        "SERIAL...",
        server=True,
        flags=(
            Flag("service", "Refuse all leaves of this service instead."),
            Flag("reason", "Why, for the list of revocations."),
        ),
        notes="Agents get new certificates at once; open connections with a refused one are cut.",
    ),
    Command(
        "connect ca revocations",
        GROUP,
        "List the leaf certificates that are refused",
        "connect:revocations",
        server=True,
        flags=(FORMAT,),
    ),
)
