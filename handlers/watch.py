"""What is to be seen of the handlers of a process: plans that failed, orders that wait, agents that are silent."""

from __future__ import annotations

from collections.abc import Iterable

from events import metrics
from handlers.orders import Orders
from handlers.runner import Runner

SHOWN = 5  # faults that are told of
AGES = (1, 10, 60, 600)  # seconds


class Watch:
    """Looks at the runner and the orders."""

    def __init__(self, runner: Runner, orders: Orders) -> None:
        self._runner, self._orders = runner, orders
        metrics.gauge("cumulog_orders_waiting", "Orders that are to be put", orders.waiting)
        poison = runner.sight.poison
        metrics.gauge("cumulog_poison", "What failed and is left alone for a while", lambda: len(poison.held))
        metrics.gauge("cumulog_agents_heard", "Agents heard since the start", lambda: len(runner.sight.heard))
        metrics.gauges(
            "cumulog_agents_silent",
            "Agents that have not been heard for longer than so many seconds",
            ("older_than",),
            self._silent,
        )

    def faults(self) -> str | None:
        """About what plans fail, and how many; None if none does."""
        told = self._runner.sight.poison.told()
        some = "; ".join(f"{name}: {why}" for name, why in list(told.items())[:SHOWN])
        return f"{len(told)} left alone for a while: {some}" if told else None

    def _silent(self) -> Iterable[tuple[tuple[str, ...], float]]:
        now = self._runner.execute.clock.now()
        silences = [(now - heard).total_seconds() for heard in self._runner.sight.heard.values()]
        return [((str(age),), sum(silence > age for silence in silences)) for age in AGES]
