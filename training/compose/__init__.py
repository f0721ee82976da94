"""The composer: expands the corpus into training documents and examples.

    python -m training.compose --build training/build --open-corpus ../shared/corpus --seed 1

One module per family of tasks; each gives a function that returns an endless or a
finite iterator of `Example`. `budget` says what share of the characters each family
gets, `__main__` draws until the shares are filled and writes the files. Everything is
a function of the seed and of the files read.
"""
