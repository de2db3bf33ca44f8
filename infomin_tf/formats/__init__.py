"""The formats of an exported encoder, a module for each."""
