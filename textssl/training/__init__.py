"""How a trainer trains, stops, searches for settings, saves and publishes, and what it says of the data."""
