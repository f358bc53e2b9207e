"""The zoo: the networks that come with archc, as `.arch` files."""
