"""Syntax tree to graph to everything else: elaboration, shapes, operators, cost, PyTorch source, diagrams."""
