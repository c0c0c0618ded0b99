"""Break-glass: changes that a guard refuses, let through for a short while, a few times, by two people, on the record."""
