//! Figures for Prometheus (`OpenMetrics` text), on a loopback port of their own.

use std::sync::Arc;

use atthene_core::Core;
use atthene_core::problem::ProblemCode;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use crate::api::guard;
use crate::hosts::Hosts;

/// Serves `/metrics` on this port of loopback until the task ends.
pub async fn serve_metrics(core: Arc<Core>, listener: TcpListener) -> std::io::Result<()> {
    let router = Router::new().route("/metrics", get(metrics)).with_state(core);
    axum::serve(listener, router).await
}

async fn metrics(State(core): State<Arc<Core>>, request: Request) -> Response {
    // A web page must not read these either.
    if let Err(problem) = guard::check(request.uri(), request.headers(), &Hosts::default()) {
        return problem.respond("");
    }
    match tokio::task::spawn_blocking(move || text(&core)).await {
        Ok(Ok(text)) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        _ => (StatusCode::INTERNAL_SERVER_ERROR, ProblemCode::Internal.as_str()).into_response(),
    }
}

fn text(core: &Core) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let mut registry = Registry::with_prefix("atthene");
    registry.register_collector(Box::new(Calls(core.usage.all_time()?)));
    let live = core.keys.live()?;
    let has_key: Gauge = Gauge::default();
    has_key.set(i64::from(live.is_some()));
    registry.register("live_key", "1 while a key opens the agent API", has_key);
    if let Some(at) = live.and_then(|key| key.expires_at) {
        let expires: Gauge = Gauge::default();
        expires.set(at.0 / 1000);
        registry.register("key_expires_timestamp_seconds", "When the live key expires (Unix time)", expires);
    }
    let stopped: Gauge = Gauge::default();
    stopped.set(i64::from(core.settings.stopped_at().is_some()));
    registry.register("stopped", "1 while an administrator has stopped everything", stopped);
    let connections = Family::<[(&'static str, &'static str); 1], Gauge>::default();
    for connection in core.connections.list()? {
        connections.get_or_create(&[("state", connection.state.as_str())]).inc();
    }
    registry.register("connections", "Connections by state", connections);
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

/// Counted in the database, so they go on over restarts.
#[derive(Debug)]
struct Calls(Vec<(String, u64)>);

impl Collector for Calls {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let counter = ConstCounter::new(0_u64);
        let mut metric = encoder.encode_descriptor(
            "calls",
            "Calls by outcome: answered, failed, or the word of the refusal",
            None,
            counter.metric_type(),
        )?;
        for (outcome, requests) in &self.0 {
            let labels = [("outcome", outcome.as_str())];
            ConstCounter::new(*requests).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
