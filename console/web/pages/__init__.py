"""One module an area of the console. Each function answers one page of `routes.PAGES`."""
