"""A server of many live streams, call by call: arrivals, batching, queues, capacity, cost and fleets."""
