"""One module per reconciler: how it marks what it manages, who acts for it, and what it is told to leave alone."""
