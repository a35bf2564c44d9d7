"""Discovery chains: how requests for a service find their instances.

``compile_chain`` turns config entries into a graph of routers, splitters and resolvers;
``check_graph`` refuses a change of config entries after which a chain does not compile.
"""

from catalog.chain.compile import compile_chain
from catalog.chain.compiled import CompiledChain
from catalog.chain.endpoints import endpoints_of
from catalog.chain.entries import ChainEntries
from catalog.chain.errors import GraphError
from catalog.chain.graph import check_graph
from catalog.chain.overrides import Overrides

__all__ = [
    "ChainEntries",
    "CompiledChain",
    "GraphError",
    "Overrides",
    "check_graph",
    "compile_chain",
    "endpoints_of",
]
