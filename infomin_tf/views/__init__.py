"""Views: sampling on the host (augment, pairs) and splitting in the model (color, generators, splits)."""
