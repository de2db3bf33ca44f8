"""What features are worth: kNN, linear probes, mutual information."""
