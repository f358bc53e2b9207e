"""Shaped graph to readable PyTorch source, without torch.

The way: `scopes` finds what becomes a module, `classes` which scopes share a class, `parameters` what its constructor
takes, `forward` what it computes; `layout` writes the lines.
"""

from archc.compiler.source.write import Written, write

__all__ = ["Written", "write"]
