"""How a trainer trains, searches for settings, saves and publishes, and what it says of the data."""
