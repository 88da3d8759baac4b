"""What callers leave with the API beside their threads: responses and files, each its owner's."""
