"""The commands, one file each: `command` is what `archc NAME` runs."""
