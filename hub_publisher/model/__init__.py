"""The language model: which base, its tokens and batches, its loss, what it writes."""
