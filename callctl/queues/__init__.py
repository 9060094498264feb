"""What lines do (seats, counts, rests, wrap-up) and who waits for them in which order.

True across the switches of one PostgreSQL; what routing needs of it is in memory. Made by app,
used by flows; docs/queues.md says how it behaves.
"""

from callctl.queues.line_book import LineBook
from callctl.queues.places import Place
from callctl.queues.queues import Queues

__all__ = ["LineBook", "Place", "Queues"]
