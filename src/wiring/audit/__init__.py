"""A study about a method: planned within a budget of minutes, written as a scale file, and run."""
