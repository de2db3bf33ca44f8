"""What lies on disk: folders of runs, results, configurations that are compared."""
