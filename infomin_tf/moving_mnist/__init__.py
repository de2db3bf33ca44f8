"""Colorful Moving-MNIST (section 4.1): data, views, networks, stages and probes of its own."""
