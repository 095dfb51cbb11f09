"""Tables and pictures as plain data and SVG.

tables     cells, tables, figures in words
svg        SVG from Matplotlib in the page's colours, and pictures with their captions
dots       rows of dots with intervals
curves     lines with bands
charts     pictures of counts
"""
