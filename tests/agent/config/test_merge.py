from agent.config.hcl import parse_hcl
from agent.config.merge import merge
from agent.config.normalise import normalise
from agent.config.root import Root
from agent.config.tree import Origin


def trees(*texts):
    return [
        normalise(parse_hcl(text, file=f"{number}.hcl"))[0] for number, text in enumerate(texts)
    ]


def test_scalars_replace_maps_merge_and_lists_append():
    first = (
        'datacenter = "a"\nnode_meta { x = "1", y = "1" }\nretry_join = ["a"]\nports { http = 1 }'
    )
    second = 'datacenter = "b"\nnode_meta { y = "2" }\nretry_join = ["b"]\nports { dns = 2 }'

    merged = merge(trees(first, second), Root)

    assert merged == {
        "datacenter": "b",
        "node_meta": {"x": "1", "y": "2"},
        "retry_join": ("a", "b"),
        "ports": {"http": 1, "dns": 2},
    }


def test_origin_is_that_of_the_winner():
    merged = merge(trees("ports { http = 1, dns = 3 }", "\nports { http = 2 }"), Root)

    assert Origin("1.hcl", 2) == merged.origin_of("ports.http")
    assert Origin("0.hcl", 1) == merged.origin_of("ports.dns")


def test_arguments_stay_as_they_are():
    first, second = trees("ports { http = 1 }", "ports { http = 2 }")

    merge([first, second], Root)

    assert first == {"ports": {"http": 1}}
