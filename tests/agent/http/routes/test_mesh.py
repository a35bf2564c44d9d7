from agent.http.routes import ROUTES, mesh


def test_routes_of_the_mesh_are_served():
    assert {*mesh.INTENTION, *mesh.CONNECT, *mesh.CHAIN, *mesh.VIEW} <= set(ROUTES)
