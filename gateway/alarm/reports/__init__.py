"""The figures of a journal, all of which can be counted again."""
