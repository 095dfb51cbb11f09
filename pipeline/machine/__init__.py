"""How stages are described, planned, run, reused and resumed; knows no craft and no torch."""
