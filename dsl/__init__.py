"""Text to syntax tree: sources, the grammar, the parser, diagnostics. Imports lark and nothing else."""
