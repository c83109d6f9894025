"""An application of a Django project in tests."""
