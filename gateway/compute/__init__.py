"""Compute over HTTP: every URL of the service, what answers it, the least persona that may call it.

Source: Compute API reference; microversions 2.1 to 2.100.
"""

from __future__ import annotations

from gateway import faults
from gateway.compute import flavor
from gateway.microversions import Range
from gateway.policy import ADMIN, READER
from gateway.serving import Face, Route

ROUTES = (
    Route("POST", "/v2.1/flavors", flavor.create, ADMIN, policy="os_compute_api:os-flavor-manage:create"),
    Route("GET", "/v2.1/flavors/{id}", flavor.show, READER),
    Route("DELETE", "/v2.1/flavors/{id}", flavor.delete, ADMIN, 202, policy="os_compute_api:os-flavor-manage:delete"),
)

FACE = Face(
    name="compute",
    path="/compute",
    routes=ROUTES,
    format=faults.compute,
    versions=Range(service="compute", legacy="X-OpenStack-Nova-API-Version", minimum=(2, 1), maximum=(2, 100)),
)
