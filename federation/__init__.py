"""Other machines: found, proved, and seen as proposers like this one."""
