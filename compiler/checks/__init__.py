"""Mistakes and warnings that are found beside elaboration and sizes, one kind in each file.

names      what an item of a file binds and uses, which the checks of a text share
bindings   names that are never used, or hide an operator
unchecked  definitions that no architecture reaches: only their text can be checked
partial    what else is wrong in a program that could not be read as a whole
sharing    modules that are applied several times
habits     uses that are legal and mean something else than they look like

Warnings about a network as a whole are in `lints`, a file for each.
"""
