"""How models write tool calls: a module for each format, with a parser and a grammar."""
