"""A run of a recipe: its folder, its config, its stages and its report."""
