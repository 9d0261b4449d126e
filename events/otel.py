"""Traces by the OpenTelemetry SDK, sent by OTLP over HTTP: the only file that imports it.

Everything else is set as everywhere: by the environment variables OTEL_EXPORTER_OTLP_*, OTEL_TRACES_SAMPLER,
OTEL_RESOURCE_ATTRIBUTES. Source: OpenTelemetry specification, "Environment variables"; "HTTP spans".
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from events.tracing import Kind

KINDS = {"internal": SpanKind.INTERNAL, "server": SpanKind.SERVER, "client": SpanKind.CLIENT}


class OpenTelemetry:
    """A tracer of one process."""

    def __init__(self, endpoint: str, part: str) -> None:
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces" if endpoint else None)
        resource = Resource.create({"service.name": "cumulog", "cumulog.part": part})
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("cumulog")
        self._propagator = TraceContextTextMapPropagator()

    def span(
        self, name: str, kind: Kind, parent: str | None, attributes: dict[str, Any]
    ) -> AbstractContextManager[Any]:
        context = self._propagator.extract({"traceparent": parent}) if parent is not None else None
        return self._tracer.start_as_current_span(name, context, KINDS[kind], attributes)

    def current(self) -> str | None:
        context = trace.get_current_span().get_span_context()
        if not context.is_valid or not context.trace_flags.sampled:
            return None
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-01"

    def describe(self, name: str | None, attributes: dict[str, Any], failed: bool) -> None:
        span = trace.get_current_span()
        if name is not None:
            span.update_name(name)
        span.set_attributes(attributes)
        if failed:
            span.set_status(StatusCode.ERROR)

    def close(self) -> None:
        self._provider.shutdown()
