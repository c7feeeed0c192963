"""Files, locks and units: storage on disk."""
