"""What is known: the queryable shadow of the fold, in DuckDB."""
