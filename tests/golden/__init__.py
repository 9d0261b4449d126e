"""What each release wrote: a journal, the states that it folded to, and a state directory."""
