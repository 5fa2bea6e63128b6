"""How a trainer trains: new models for new trainings, and searches for settings."""
