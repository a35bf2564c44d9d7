"""The web page of the agent: static files without a build step."""
