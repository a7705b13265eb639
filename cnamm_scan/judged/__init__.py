"""A scan that has been judged: what reports, histories and exports take, beneath all of them."""
