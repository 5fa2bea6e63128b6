"""The recipe of the choice among classifiers: its flags, its data, the program."""
