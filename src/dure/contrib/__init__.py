"""Dure inside other frameworks: each imported only by those who use it, none of them a dependency."""
