"""NATS: the one place in which it is known, its streams and buckets, and who may do what there."""
