"""What this machine has: cores, memory, instruction sets, accelerators, addresses."""
