"""The commands: flags, and what each of them calls."""
