"""The command line ``proconsul``: it speaks to an agent over HTTP only."""
