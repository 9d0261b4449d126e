"""How a host obeys compute: its guests and their hypervisor."""
