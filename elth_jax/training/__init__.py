"""Training: recipes, the compiled step, and the loop that runs it."""
