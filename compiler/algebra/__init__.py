"""Exact sizes: the algebra of floors, what it admits, and the conditions it derives."""
