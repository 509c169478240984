"""Pages. Each view asks the models who may see what, and shows it."""
