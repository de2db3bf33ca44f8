"""Sweeps over views: what is swept, running it, what came out, and how it is shown."""
