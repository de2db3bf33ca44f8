"""A corpus of bad inputs, each with the expected answer."""
