"""The API document: complete, and made from the routes."""

from agent.http.openapi import document
from agent.http.routes import ROUTES


def test_every_route_is_in_the_document():
    paths = document()["paths"]

    assert all(route.method.lower() in paths[route.pattern] for route in ROUTES)


def test_arguments_of_a_path_are_parameters():
    operation = document()["paths"]["/v1/kv/{key}"]["get"]

    assert "key" in {each["name"] for each in operation["parameters"] if each["in"] == "path"}


def test_operations_have_ids_of_their_own():
    operations = [each for path in document()["paths"].values() for each in path.values()]

    assert len(operations) == len({each["operationId"] for each in operations})


def test_only_writes_have_bodies():
    operations = document()["paths"]["/v1/kv/{key}"]

    assert "requestBody" in operations["put"]
    assert "requestBody" not in operations["get"]
