"""The HTTP face: routes, authentication, problems."""
