"""Data sets: a table of names, and the one form that every set is brought into."""

from archc.runtime.data.dataset import Data
from archc.runtime.data.table import SOURCES, Source, load

__all__ = ["SOURCES", "Data", "Source", "load"]
