"""gin files: names, parsing, what is refused, and how mistakes are explained."""
