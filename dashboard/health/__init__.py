"""How well everything is: rates, latencies, the flow's processes, Redis, the hottest rows."""
