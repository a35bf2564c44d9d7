"""Rows of the commands about keys, locks and watches."""

from typing import Final

from agent.cli.command import Command
from agent.cli.flags import Flag, Kind
from agent.cli.rows.shared import CAS, SHELL

GROUP: Final = "Keys and values"

ROWS: Final[tuple[Command, ...]] = (
    Command(
        "kv put",
        GROUP,
        "Write a value",
        "kv:put",
        "KEY [VALUE]",
        server=True,
        flags=(
            Flag("acquire", "Take the key's lock for -session.", Kind.SWITCH),
            Flag("base64", "VALUE is base64.", Kind.SWITCH),
            *CAS,
            Flag("flags", "Number to store beside the value.", Kind.COUNT, "0"),
            Flag("release", "Give the key's lock of -session back.", Kind.SWITCH),
            Flag("session", "Session that acquires or releases."),
        ),
        notes="VALUE may be @file, or - for standard input; without it the value is empty. "
        "Use -- before a key or value that begins with a dash.",
    ),
    Command(
        "kv get",
        GROUP,
        "Read a value, or keys and values below a prefix",
        "kv:get",
        "[KEY_OR_PREFIX]",
        server=True,
        flags=(
            Flag("base64", "Print values as base64.", Kind.SWITCH),
            Flag("detailed", "Print every field of the entry.", Kind.SWITCH),
            Flag("keys", "Print only the keys below the prefix.", Kind.SWITCH),
            Flag("recurse", "Print all entries below the prefix.", Kind.SWITCH),
            Flag("separator", "With -keys, cut keys after this text.", default="/"),
        ),
        notes="The value's bytes are printed unchanged, followed by one newline.",
    ),
    Command(
        "kv delete",
        GROUP,
        "Remove a key, or all below a prefix",
        "kv:delete",
        "KEY_OR_PREFIX",
        server=True,
        flags=(*CAS, Flag("recurse", "Delete all keys with the prefix.", Kind.SWITCH)),
    ),
    Command(
        "kv export",
        GROUP,
        "Print a tree of entries as JSON",
        "kv:export",
        "[PREFIX]",
        server=True,
    ),
    Command(
        "kv import",
        GROUP,
        "Write entries that kv export printed",
        "kv:import_",
        "DATA",
        server=True,
        flags=(Flag("prefix", "Put this text before every key."),),
        notes="DATA is JSON, @file, or - for standard input.",
    ),
    Command(
        "lock",
        GROUP,
        "Run a command while holding a lock",
        "lock:lock",
        "PREFIX COMMAND...",
        server=True,
        flags=(
            Flag("child-exit-code", "Exit with the command's own code.", Kind.SWITCH),
            Flag("monitor-retry", "Failed checks of the held lock to bear.", Kind.COUNT, "3"),
            Flag("n", "How many holders at a time; 1 is a lock.", Kind.COUNT, "1"),
            Flag("name", "Name of the session that holds it."),
            Flag("pass-stdin", "Give standard input to the command.", Kind.SWITCH),
            SHELL,
            Flag("timeout", "Longest wait for the lock; 0 waits for ever.", Kind.DURATION, "0s"),
            Flag("try", "Old name of -timeout.", Kind.DURATION, "0s"),
            Flag("verbose", "Print each step.", Kind.SWITCH),
        ),
        notes="CONSUL_LOCK_HELD=true is set for the command. Without -child-exit-code the exit "
        "code is 0 whatever the command's was. With it, it is exactly the command's (Consul "
        "gives 2 for every failure), or 128 plus the number of the signal that ended it. A lost "
        "lock ends the command and gives 1. SIGINT and SIGTERM work at any time: a waiting lock "
        "gives up, a held one ends the command and is released.",
    ),
    Command(
        "watch",
        GROUP,
        "Print a view, or run a command on each of its changes",
        "watch:watch",
        "[COMMAND...]",
        server=True,
        flags=(
            Flag("key", "Key to watch (type key)."),
            Flag("name", "Event name (type event)."),
            Flag("passingonly", "Only instances whose checks pass (type service).", Kind.SWITCH),
            Flag("prefix", "Prefix of keys (type keyprefix)."),
            Flag("service", "Service to watch (type service; filters type checks)."),
            SHELL,
            Flag("state", "State of checks (type checks): any, passing, warning or critical."),
            Flag("tag", "Only instances with this tag (type service).", Kind.TEXTS),
            Flag(
                "type",
                "key, keyprefix, services, nodes, service, checks, event or connect_roots.",
            ),
        ),
        notes="The command gets the view as JSON on standard input and CONSUL_INDEX in its "
        "environment. Without a command the view is printed once.",
    ),
)
