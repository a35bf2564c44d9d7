"""What each command does; one file a group, named by the rows of ``agent.cli.table``."""
