"""The steps of `accelerator.py`: a question a file, each in a process of its own."""
