"""Agents of others: how they find those here, ask them for tasks, and are asked."""
