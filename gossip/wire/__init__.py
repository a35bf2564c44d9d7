"""memberlist's and Serf's bytes: layouts, wrappings, keys and compression. Pure: no sockets."""
