"""From the syntax tree to the graph: names, values, blocks, paths."""
