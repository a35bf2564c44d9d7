"""The mesh data plane."""
