"""Audit of views for a person's own images: small sweeps over the standard axes, and a recommendation."""
