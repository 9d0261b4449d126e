"""How a process is put together of parts: what is started, in which order, and in which directory."""
