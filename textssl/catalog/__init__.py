"""What each method is: its idea, needs, cost and settings, read off its module for the command line and the pages."""
