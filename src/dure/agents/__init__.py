"""Agents: who there is, what they are given, and how they speak."""
