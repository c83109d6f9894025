"""The Agent2Agent protocol, version 1.0: agents of others ask ours for tasks, and ours reach agents of others."""
