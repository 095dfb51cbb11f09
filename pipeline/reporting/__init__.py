"""From figures to what people look at: pictures, tables, pages."""
