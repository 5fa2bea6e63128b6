"""The data of a recipe: loaded, split, checked and, on request, with label noise."""
