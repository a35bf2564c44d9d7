from tests.proxy.http_world import World

GET = b"GET /a HTTP/1.1\r\nHost: web\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def test_a_request_reaches_an_instance_and_its_answer_the_client():
    world = World()
    client = world.ask(GET)
    assert world.instance().take().startswith(b"GET /a HTTP/1.1\r\nHost: web\r\n")
    world.answer(OK)
    assert OK == client.take()
    client.receive(GET)
    assert 1 == len(world.web.wires)
    world.answer(OK)
    assert OK == client.take()
    assert [200, 200] == [record.status for record in world.records]
