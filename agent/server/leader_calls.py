"""A server's way to the leader, whoever that is at the moment of asking."""

from agent.rpc.asking import ask
from agent.rpc.codec import encode_request
from agent.rpc.connection import CallingEnd, ConnectionLost
from agent.rpc.pool import ServerAddress, Unreachable
from agent.rpc.request import NoLeader, Reply, Request
from agent.server.consensus import Consensus
from agent.server.server_calls import ServerCalls
from agent.server.server_members import split_address


class LeaderCalls:
    """Implements agent.rpc.server_router.Leader."""

    def __init__(self, consensus: Consensus, calls: ServerCalls) -> None:
        self._consensus = consensus
        self._calls = calls

    async def ask(self, request: Request) -> Reply:
        """Ask once. Raises NoLeader, Unreachable, ConnectionLost, or what the leader raised."""
        connection = await self._connection()
        return await ask(connection, *encode_request(request))

    async def _connection(self) -> CallingEnd:
        address = self._consensus.leader_address
        if not address:
            raise NoLeader
        host, port = split_address(address)
        server_id = self._consensus.leader_id
        server = ServerAddress(id=server_id, name=server_id, host=host, port=port)
        try:
            return await self._calls.connection(server)
        except (OSError, ConnectionLost) as error:
            raise Unreachable(f"failed to get conn: {address}: {error}") from None
