"""``baiying simulate``: a district made from a seed, and a load to try it with."""
