"""Comparing runs: how soon each found good designs and learned, with bands over seeds; tables, pictures, a page."""
