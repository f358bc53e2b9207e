"""Facts about a checked network, which others ask for: its cost, its memory, what each value sees, how weights start."""
