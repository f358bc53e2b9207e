"""Facts about a checked network that others ask for: its cost, its memory, what each value sees, how weights start."""
