"""The agent's own endpoints: what this process is and what is registered with it."""

from typing import Final

from agent.http.handlers import agent, agent_checks, agent_services
from agent.http.routes.parts import local

AGENT: Final = (
    local("GET", "/v1/agent/self", agent.self_, "This agent's configuration and statistics"),
    local("GET", "/v1/agent/version", agent.version, "This agent's version"),
    local("GET", "/v1/agent/host", agent.host, "The machine"),
    local("GET", "/v1/agent/members", agent.members, "Members known", "wan", "segment"),
    local("PUT", "/v1/agent/join/{address}", agent.join, "Join an agent", "wan"),
    local("PUT", "/v1/agent/leave", agent.leave, "Leave and shut down"),
    local(
        "PUT",
        "/v1/agent/force-leave/{node}",
        agent.force_leave,
        "Remove a member",
        "prune",
        "wan",
    ),
    local("PUT", "/v1/agent/reload", agent.reload, "Reload the configuration"),
    local("GET", "/v1/agent/metrics", agent.metrics, "Metrics", "format"),
    local("GET", "/v1/agent/metrics/stream", agent.metrics_stream, "Metrics by interval"),
    local("GET", "/v1/agent/monitor", agent.monitor, "Stream the log", "loglevel", "logjson"),
    local("PUT", "/v1/agent/token/{type}", agent.token, "Set one of the agent's tokens"),
    local("GET", "/v1/agent/services", agent_services.services, "Services", "filter"),
    local("GET", "/v1/agent/service/{id}", agent_services.service, "One service", "hash", "wait"),
    local(
        "PUT",
        "/v1/agent/service/register",
        agent_services.register,
        "Register a service",
        "replace-existing-checks",
    ),
    local(
        "PUT", "/v1/agent/service/deregister/{id}", agent_services.deregister, "Remove a service"
    ),
    local(
        "PUT",
        "/v1/agent/service/maintenance/{id}",
        agent_services.maintenance,
        "Maintenance mode of a service",
        "enable",
        "reason",
    ),
    local(
        "GET",
        "/v1/agent/health/service/id/{id}",
        agent_services.health_by_id,
        "Health of an instance",
        "format",
    ),
    local(
        "GET",
        "/v1/agent/health/service/name/{name}",
        agent_services.health_by_name,
        "Health of a service's local instances",
        "format",
    ),
    local("GET", "/v1/agent/checks", agent_checks.checks, "Checks", "filter"),
    local("PUT", "/v1/agent/check/register", agent_checks.register, "Register a check"),
    local("PUT", "/v1/agent/check/deregister/{id}", agent_checks.deregister, "Remove a check"),
    local("PUT", "/v1/agent/check/pass/{id}", agent_checks.passing, "Pass a TTL", "note"),
    local("PUT", "/v1/agent/check/warn/{id}", agent_checks.warning, "Warn of a TTL", "note"),
    local("PUT", "/v1/agent/check/fail/{id}", agent_checks.failing, "Fail a TTL", "note"),
    local("PUT", "/v1/agent/check/update/{id}", agent_checks.update, "Update a TTL"),
    local(
        "PUT",
        "/v1/agent/maintenance",
        agent_checks.maintenance,
        "Maintenance mode of the node",
        "enable",
        "reason",
    ),
)
