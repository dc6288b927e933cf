"""Who is there: signs of life, tests, and the figure from button to person."""
