"""The page of a finished study: one HTML file that shows all of it and needs nothing else."""
