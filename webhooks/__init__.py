"""Guards: what one admission request is judged against."""
