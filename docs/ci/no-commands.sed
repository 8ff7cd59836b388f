# What a log may hold of a VPS's files: a runner of GitHub takes "::" at a line's beginning and "##[" anywhere for a command.
s/^([[:space:]]*)::/\1: :/
s/##\[/## [/g
