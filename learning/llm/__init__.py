"""Chat models: one interface, one file per provider."""
