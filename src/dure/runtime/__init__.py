"""Starting, stopping and wiring: the one place that knows all parts."""
