"""Audit of views for a person's own images: small sweeps over standard axes, a recommendation."""
