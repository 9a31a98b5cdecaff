"""The rules of a sync, in plain Python: no framework, no database, no HTTP."""
