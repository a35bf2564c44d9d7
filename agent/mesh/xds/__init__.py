"""Envoy in place of the own proxy: the configuration of a proxy as Envoy's resources, over ADS.

The resources are made as JSON in the shape of Envoy's v3 API, and become protocol buffers only when
they are sent: the extra ``[xds]`` is needed for that alone.
"""
