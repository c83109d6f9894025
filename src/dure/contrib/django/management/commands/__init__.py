"""What `manage.py` can do with Dure."""
