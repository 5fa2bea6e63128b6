"""What an objective may do with a network; each modality has its own way in its ``backend`` module."""
