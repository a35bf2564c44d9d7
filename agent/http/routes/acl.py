"""Access control, which is off: every endpoint says so."""

from typing import Final

from agent.http.handlers import acl_off
from agent.http.routes.parts import local

ACL: Final = tuple(
    local(method, pattern, acl_off.disabled, "Access control")
    for pattern, methods in (
        ("/v1/acl/bootstrap", "PUT"),
        ("/v1/acl/create", "PUT"),
        ("/v1/acl/update", "PUT"),
        ("/v1/acl/destroy/{id}", "PUT"),
        ("/v1/acl/info/{id}", "GET"),
        ("/v1/acl/clone/{id}", "PUT"),
        ("/v1/acl/list", "GET"),
        ("/v1/acl/replication", "GET"),
        ("/v1/acl/login", "POST"),
        ("/v1/acl/logout", "POST"),
        ("/v1/acl/rules/translate", "POST"),
        ("/v1/acl/rules/translate/{id}", "GET"),
        ("/v1/acl/policies", "GET"),
        ("/v1/acl/policy", "PUT"),
        ("/v1/acl/policy/{id}", "GET PUT DELETE"),
        ("/v1/acl/policy/name/{name}", "GET"),
        ("/v1/acl/roles", "GET"),
        ("/v1/acl/role", "PUT"),
        ("/v1/acl/role/{id}", "GET PUT DELETE"),
        ("/v1/acl/role/name/{name}", "GET"),
        ("/v1/acl/tokens", "GET"),
        ("/v1/acl/token", "PUT"),
        ("/v1/acl/token/self", "GET"),
        ("/v1/acl/token/{id}", "GET PUT DELETE"),
        ("/v1/acl/token/{id}/clone", "PUT"),
        ("/v1/acl/auth-methods", "GET"),
        ("/v1/acl/auth-method", "PUT"),
        ("/v1/acl/auth-method/{name}", "GET PUT DELETE"),
        ("/v1/acl/binding-rules", "GET"),
        ("/v1/acl/binding-rule", "PUT"),
        ("/v1/acl/binding-rule/{id}", "GET PUT DELETE"),
    )
    for method in methods.split()
)
