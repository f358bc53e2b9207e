"""How long a test waits for another process. No test measures time: a machine that others use has no fixed speed."""

PATIENCE = 240  # seconds, after which it counts as hanging
