"""Which metric counts which call: endpoints by their names, in Consul's words."""

from typing import Final

from agent.telemetry.metrics import Metrics

_WRITES: Final = {
    "KVS.Apply": "consul.kvs.apply",
    "Txn.Apply": "consul.txn.apply",
    "Txn.Read": "consul.txn.read",
    "Catalog.Register": "consul.catalog.register",
    "Catalog.Deregister": "consul.catalog.deregister",
    "Session.Create": "consul.session.apply",
    "Session.Destroy": "consul.session.apply",
    "Session.Renew": "consul.session.renew",
    "PreparedQuery.Apply": "consul.prepared-query.apply",
    "PreparedQuery.Delete": "consul.prepared-query.apply",
    "PreparedQuery.Execute": "consul.prepared-query.execute",
    "Intention.Apply": "consul.intention.apply",
    "ConfigEntry.Apply": "consul.config_entry.apply",
    "ConfigEntry.Delete": "consul.config_entry.apply",
}


class CallMetrics:
    """Records what a server's router ran."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def record(self, endpoint: str, seconds: float) -> None:
        """One call of an endpoint, and how long it took; a blocked read counts its wait."""
        name = _WRITES.get(endpoint)
        if name is None:
            self._metrics.count("consul.rpc.query")
        else:
            self._metrics.sample(name, seconds * 1000)
