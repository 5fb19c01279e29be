//! The text format of Prometheus, for the textfile collector of node exporter.

use std::collections::BTreeMap;

use crate::cli::commands::due::{Report, text};
use crate::domain::age::since;
use crate::domain::cluster::{ClusterId, Scope};

/// The samples of one gauge by their labels: a label set stands once.
struct Gauge {
    name: &'static str,
    help: &'static str,
    samples: BTreeMap<String, i64>,
}

impl Gauge {
    fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, samples: BTreeMap::new() }
    }

    fn set(&mut self, labels: &[(&str, &str)], value: i64) {
        // Of several that look the same, the earliest moment counts.
        self.samples
            .entry(written(labels))
            .and_modify(|known| *known = value.min(*known))
            .or_insert(value);
    }

    fn count(&mut self, labels: &[(&str, &str)]) {
        *self.samples.entry(written(labels)).or_insert(0) += 1;
    }

    fn write(&self, out: &mut String) {
        if self.samples.is_empty() {
            return;
        }
        let Self { name, help, .. } = self;
        out.push_str(&format!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
        for (labels, value) in &self.samples {
            out.push_str(&format!("{name}{labels} {value}\n"));
        }
    }
}

/// `{name="value",…}`, escaped as the format requires.
fn written(labels: &[(&str, &str)]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let escape =
        |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let labels: Vec<String> =
        labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
    format!("{{{}}}", labels.join(","))
}

fn of_scope(scope: &Scope) -> [(&str, &str); 2] {
    [("project", scope.project.as_str()), ("region", scope.region.as_str())]
}

fn of_cluster<'a>(id: &'a ClusterId, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let own = of_scope(&id.scope).into_iter().chain([("cluster", id.name.as_str())]);
    own.chain(more.iter().copied()).collect()
}

/// Everything as gauges.
pub(super) fn metrics(report: &Report) -> String {
    let mut checked_at = Gauge::new("skeys_checked_timestamp_seconds", text::METRIC_CHECKED);
    let mut listed = Gauge::new("skeys_scope_listed", text::METRIC_LISTED);
    let mut due = Gauge::new("skeys_due", text::METRIC_DUE);
    let mut age = Gauge::new("skeys_credentials_age_seconds", text::METRIC_AGE);
    let mut limit = Gauge::new("skeys_credentials_age_limit_seconds", text::METRIC_LIMIT);
    let mut phase = Gauge::new("skeys_rotation_phase", text::METRIC_PHASE);
    let mut version =
        Gauge::new("skeys_kubernetes_version_expires_timestamp_seconds", text::METRIC_VERSION);
    let mut image = Gauge::new("skeys_os_image_expires_timestamp_seconds", text::METRIC_IMAGE);
    let mut kubeconfig =
        Gauge::new("skeys_kubeconfig_expires_timestamp_seconds", text::METRIC_KUBECONFIG);
    checked_at.set(&[], report.now.as_second());
    for (scope, why) in &report.scopes {
        listed.set(&of_scope(scope), i64::from(why.is_none()));
    }
    for checked in &report.clusters {
        let (cluster, id) = (&checked.cluster, &checked.cluster.id);
        for one in &checked.due {
            due.count(&of_cluster(id, &[("reason", one.word())]));
        }
        if let Some(born) = cluster.credentials_born() {
            age.set(&of_cluster(id, &[]), since(born, checked.now).as_secs());
        }
        limit.set(&of_cluster(id, &[]), checked.limit.as_secs());
        phase.set(&of_cluster(id, &[("phase", cluster.rotation.phase.api_word())]), 1);
        if let Some(expires) = cluster.version_expires {
            let own = of_cluster(id, &[("version", cluster.version.as_str())]);
            version.set(&own, expires.as_second());
        }
        for pool in &cluster.pools {
            if let Some(expires) = pool.image_expires {
                let more = [("pool", pool.name.as_str()), ("image", pool.image.as_str())];
                image.set(&of_cluster(id, &more), expires.as_second());
            }
        }
        for known in &checked.known {
            if let Some(expires) = known.expires {
                let place = known.place.words();
                let more = [("place", place.as_str()), ("kind", known.kind.word())];
                kubeconfig.set(&of_cluster(id, &more), expires.as_second());
            }
        }
    }
    let mut out = String::new();
    for gauge in [checked_at, listed, due, age, limit, phase, version, image, kubeconfig] {
        gauge.write(&mut out);
    }
    out
}
