CONTRACT: list = []
