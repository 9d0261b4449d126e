"""The face: HTTP in, refusals and views out."""
