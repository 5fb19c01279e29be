//! The text format of Prometheus, for the textfile collector of node exporter.

use std::collections::BTreeMap;

use crate::cli::commands::due::{CheckedCluster, Report, text};
use crate::domain::age::since;
use crate::domain::cluster::{Scope, VersionInUse};

/// `{name="value",…}`, escaped as the format requires.
fn labels(scope: &Scope, more: &[(&str, &str)]) -> String {
    let own = [("project", scope.project.as_str()), ("region", scope.region.as_str())];
    let escape =
        |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let all = own.iter().chain(more).map(|(name, value)| format!("{name}=\"{}\"", escape(value)));
    format!("{{{}}}", all.collect::<Vec<_>>().join(","))
}

fn of(checked: &CheckedCluster, more: &[(&str, &str)]) -> String {
    let id = &checked.cluster.id;
    labels(&id.scope, &[&[("cluster", id.name.as_str())], more].concat())
}

/// The whole report as gauges.
pub(super) fn metrics(report: &Report) -> String {
    let mut out = String::new();
    let mut gauge = |name: &str, help: &str, samples: BTreeMap<String, i64>| {
        if !samples.is_empty() {
            out.push_str(&format!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
        }
        for (labels, value) in samples {
            out.push_str(&format!("{name}{labels} {value}\n"));
        }
    };
    let at = BTreeMap::from([(String::new(), report.now.as_second())]);
    gauge("skeys_checked_timestamp_seconds", text::METRIC_CHECKED, at);
    let listed = report.scopes.iter();
    let listed = listed.map(|(scope, why)| (labels(scope, &[]), i64::from(why.is_none())));
    gauge("skeys_scope_listed", text::METRIC_LISTED, listed.collect());
    let (mut due, mut ages, mut limits) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let (mut phases, mut versions) = (BTreeMap::new(), BTreeMap::new());
    let (mut images, mut kubeconfigs) = (BTreeMap::new(), BTreeMap::new());
    // Among samples with the same labels, the earliest time counts.
    let earliest = |samples: &mut BTreeMap<String, i64>, labels, value| {
        let known = samples.entry(labels).or_insert(value);
        *known = value.min(*known);
    };
    for checked in &report.clusters {
        let cluster = &checked.cluster;
        for one in &checked.due {
            *due.entry(of(checked, &[("reason", one.id())])).or_insert(0) += 1;
        }
        if let Some(born) = cluster.credentials_born() {
            ages.insert(of(checked, &[]), since(born, checked.now).as_secs());
        }
        limits.insert(of(checked, &[]), checked.limit.as_secs());
        phases.insert(of(checked, &[("phase", cluster.rotation.phase.api_word())]), 1);
        for VersionInUse { pool, version, expires } in cluster.versions() {
            let Some(expires) = expires else { continue };
            let mut more = vec![("version", version.as_str())];
            more.extend(pool.map(|pool| ("pool", pool)));
            earliest(&mut versions, of(checked, &more), expires.as_second());
        }
        for pool in &cluster.pools {
            if let Some(expires) = pool.image_expires {
                let labels = of(checked, &[("pool", &pool.name), ("image", &pool.image)]);
                earliest(&mut images, labels, expires.as_second());
            }
        }
        for known in &checked.known {
            if let Some(expires) = known.expires {
                let location = known.location.describe();
                let labels = of(checked, &[("place", &location), ("kind", known.kind.label())]);
                earliest(&mut kubeconfigs, labels, expires.as_second());
            }
        }
    }
    gauge("skeys_due", text::METRIC_DUE, due);
    gauge("skeys_credentials_age_seconds", text::METRIC_AGE, ages);
    gauge("skeys_credentials_age_limit_seconds", text::METRIC_LIMIT, limits);
    gauge("skeys_rotation_phase", text::METRIC_PHASE, phases);
    gauge("skeys_kubernetes_version_expires_timestamp_seconds", text::METRIC_VERSION, versions);
    gauge("skeys_os_image_expires_timestamp_seconds", text::METRIC_IMAGE, images);
    gauge("skeys_kubeconfig_expires_timestamp_seconds", text::METRIC_KUBECONFIG, kubeconfigs);
    out
}
