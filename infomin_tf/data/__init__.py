"""Images: sources and the input pipeline."""
