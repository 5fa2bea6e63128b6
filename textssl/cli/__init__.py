"""What recipes and data scripts share on the command line."""
