"""The webhook's own certificates: made, renewed, and made known to the API server, without a moment of doubt."""
