"""Words and small tools that every room uses; knows none of them."""
