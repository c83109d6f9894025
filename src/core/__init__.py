"""The package that scripts of an older system import; all it has is in `dure.apps.knowledge`."""
