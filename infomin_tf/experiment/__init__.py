"""The stages of an experiment: learn views, pre-train on them, evaluate, export."""
