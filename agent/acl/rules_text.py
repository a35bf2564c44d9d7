"""The text of a policy's rules, HCL or JSON, to rules.

The grammar is that of configuration files, so the parser is theirs; which words rules have is
``catalog.acl.rules``'s to know. Source: Consul's reference of ACL rules.
"""

from typing import Final

from agent.config.hcl import parse_hcl
from agent.config.tree import ConfigError
from catalog.acl.rules import Rules, parse_rules
from catalog.errors import BadRequest

RULES_CHARS_MAX: Final = 512 * 1024
"""Characters of a policy's rules: what a key's value may hold; a log entry must fit the policy."""


def parse_rules_text(text: str) -> Rules:
    """The rules of a text; none for an empty one.

    Raises BadRequest: ``Failed to parse ACL rules: line 3: ...``, or what ``parse_rules`` says.
    """
    if len(text) > RULES_CHARS_MAX:
        raise BadRequest(f"Failed to parse ACL rules: longer than {RULES_CHARS_MAX} characters")
    try:
        tree = parse_hcl(text, file="rules")
    except ConfigError as error:
        where = f"line {error.origin.line}: " if error.origin else ""
        raise BadRequest(f"Failed to parse ACL rules: {where}{error.message}") from None
    return parse_rules(tree)
