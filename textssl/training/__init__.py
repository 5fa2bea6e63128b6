"""How a trainer trains: new models for new trainings, searches for settings, what is said of the data."""
