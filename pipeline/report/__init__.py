"""From figures to what people look at: pages, cards, CSV, the terminal."""
