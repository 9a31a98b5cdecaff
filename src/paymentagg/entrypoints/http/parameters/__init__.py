"""The parameters of requests: the query string, the values in it, and the queries and terms made of them."""
