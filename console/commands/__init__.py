"""One module an area of the command line."""
