"""Skills: folders with a SKILL.md, kept by a server that speaks MCP and plain HTTP."""
