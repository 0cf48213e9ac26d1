"""Small fixed tables, and how they are read."""
