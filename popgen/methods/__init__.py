"""Ways to fit a population: one file a method, every one of them `Problem -> Model`."""
