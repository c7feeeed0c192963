"""Files, locks and units: how anything lies on disk."""
