"""Contrastive learning: losses and bounds on mutual information, negatives, the learner."""
