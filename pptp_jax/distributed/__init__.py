"""Several processes that share one work."""
