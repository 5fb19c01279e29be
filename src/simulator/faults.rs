//! Faults that can be ordered, by code or with `POST /_simulator/faults`:
//! `{"method":"POST","path":"start-credentials-rotation","times":1,"effect":{"drop_after":{}}}`.
//! `DELETE /_simulator/faults` takes all back.
//!
//! Faults of a cluster's own API name it at the beginning of the path: `kubernetes/alpha/api/v1/nodes`,
//! `kubernetes/<project>/<region>/alpha/` where two have the same name, `kubernetes/*/api/v1/secrets` for all.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::clients::ske::wire;
use crate::domain::cluster::ClusterId;

/// One ordered fault.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Method it applies to; empty means any.
    #[serde(default)]
    pub method: String,
    /// Part of the path it applies to; empty means any of the cloud's own APIs.
    #[serde(default)]
    pub path: String,
    /// How often; `None` means until taken back.
    #[serde(default)]
    pub times: Option<u32>,
    /// How many requests that it would meet pass unharmed first.
    #[serde(default)]
    pub after: u32,
    /// Seconds after the order at which it ends; `None` means until taken back.
    #[serde(default)]
    pub lasting: Option<u64>,
    pub effect: FaultEffect,
    #[serde(skip)]
    until: Option<Timestamp>,
}

/// What a fault does to a request.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultEffect {
    /// Holds the request this many milliseconds, then answers as usual.
    Delay { milliseconds: u64 },
    /// Answers so, without any effect.
    Answer {
        status: u16,
        #[serde(default)]
        body: String,
        #[serde(default)]
        retry_after: Option<String>,
        #[serde(default = "json")]
        content_type: String,
    },
    /// Closes the connection before anything takes effect.
    Drop {},
    /// Lets it take effect, then closes the connection without an answer.
    DropAfter {},
    /// Answers, but cuts the body after this many bytes.
    Truncate { bytes: usize },
    /// Answers with a body of this many bytes.
    Huge { bytes: usize },
    /// Writes words that no client knows into phase, state and error code.
    #[serde(alias = "unknown_words")]
    UnknownValues {},
    /// After a write that matches, reads show the cluster as before for this many milliseconds.
    Stale { milliseconds: u64 },
    /// Turns the order of lists round.
    Reverse {},
    /// Replaces the kubeconfig text of an answer.
    Kubeconfig { text: String },
    /// Makes the kubeconfig of an answer one that nobody should use.
    #[serde(alias = "strange_kubeconfig")]
    DefectiveKubeconfig {
        #[serde(alias = "what")]
        defect: KubeconfigDefect,
    },
    /// A cluster's own API cannot be reached: connections are refused, or hang.
    #[serde(alias = "away")]
    Unreachable {
        #[serde(default)]
        hang: bool,
    },
    /// A cluster's own API refuses client certificates in the handshake already, as no kube-apiserver does but proxies
    /// before one may.
    RefuseHandshake {},
    /// Watches of a cluster's own API are cut after this many seconds.
    CutWatches { seconds: u64 },
    /// A cluster's own API forgets all past versions before it answers: whoever resumes is told 410.
    Compact {},
    /// A cluster's own API does not accept client certificates that are fresher than this.
    #[serde(alias = "refuse_fresh")]
    RefuseNewCertificates { seconds: u32 },
    /// A cluster's own API forbids it: 403.
    Forbid {},
    /// Nodes do not say which generation they are of, as old versions of Gardener made them.
    StripLabels {},
    /// Names of nodes and messages of events contain bytes that terminals obey.
    EscapeBytes {},
    /// A cluster's clock is ahead of the world by this many seconds; behind, if they are negative.
    ClockSkew { seconds: i32 },
}

/// What is wrong with a kubeconfig.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KubeconfigDefect {
    /// It runs a command.
    Exec,
    /// It names a file of this machine as the key.
    FilePath,
    /// It does not check the server's certificate.
    SkipVerify,
    /// It leads to another host.
    OtherHost,
}

fn json() -> String {
    "application/json".to_owned()
}

impl FaultEffect {
    /// An answer in JSON, without any effect.
    pub fn answer(status: u16, body: &str) -> Self {
        Self::Answer { status, body: body.to_owned(), retry_after: None, content_type: json() }
    }
}

impl Fault {
    /// A fault for requests with this method and part of a path.
    pub fn new(method: &str, path: &str, times: Option<u32>, effect: FaultEffect) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            times,
            after: 0,
            lasting: None,
            effect,
            until: None,
        }
    }

    /// A delay of whole seconds, as often as it comes.
    pub fn delay(path: &str, seconds: u64) -> Self {
        let milliseconds = seconds.saturating_mul(1_000);
        Self::new("", path, None, FaultEffect::Delay { milliseconds })
    }

    /// A fault of one cluster's own API, as often as it comes; the path may be empty.
    pub fn for_cluster(name: &str, path: &str, effect: FaultEffect) -> Self {
        Self::new("", &format!("{KUBERNETES}{name}/{}", path.trim_start_matches('/')), None, effect)
    }

    /// Ends it so many seconds after the order.
    #[must_use]
    pub fn for_seconds(mut self, seconds: u64) -> Self {
        self.lasting = Some(seconds);
        self
    }

    fn applies(&self, method: &str, keys: &[String], now: Timestamp) -> bool {
        let meant = if keys.first().is_some_and(|key| key.starts_with(KUBERNETES)) {
            self.path.starts_with(KUBERNETES)
        } else {
            !self.path.starts_with(KUBERNETES)
        };
        meant
            && (self.method.is_empty() || self.method == method)
            && keys.iter().any(|key| key.contains(&self.path))
            && self.times != Some(0)
            && self.until.is_none_or(|until| now < until)
    }
}

/// Beginning of the paths of clusters' own APIs.
const KUBERNETES: &str = "kubernetes/";

/// The ways in which a fault may name a request to a cluster's own API.
pub fn kubernetes_paths(id: &ClusterId, path: &str) -> Vec<String> {
    vec![
        format!("{KUBERNETES}{}{path}", id.name),
        format!("{KUBERNETES}*{path}"),
        format!("{KUBERNETES}{}/{}/{}{path}", id.project(), id.region(), id.name),
    ]
}

/// Faults that are ordered, and clusters whose reads are stale.
#[derive(Debug, Default)]
pub struct Faults {
    ordered: Vec<Fault>,
    stale: BTreeMap<ClusterId, (Timestamp, wire::Cluster)>,
}

impl Faults {
    /// Orders one more.
    pub fn add(&mut self, mut fault: Fault, now: Timestamp) {
        fault.until =
            fault.lasting.and_then(|seconds| now.saturating_add(Duration::from_secs(seconds)).ok());
        self.ordered.push(fault);
    }

    /// Takes all back.
    pub fn clear(&mut self) {
        self.ordered.clear();
        self.stale.clear();
    }

    /// The effects on a request, in the order in which they were ordered; counts them down.
    pub fn take_effects(
        &mut self,
        method: &str,
        keys: &[String],
        now: Timestamp,
    ) -> Vec<FaultEffect> {
        let mut effects = Vec::new();
        for fault in &mut self.ordered {
            let applies = fault.applies(method, keys, now);
            if applies && fault.after > 0 {
                fault.after -= 1;
            } else if applies {
                fault.times = fault.times.map(|times| times - 1);
                effects.push(fault.effect.clone());
            }
        }
        self.ordered
            .retain(|fault| fault.times != Some(0) && fault.until.is_none_or(|until| now < until));
        effects
    }

    /// Whether a request would be forbidden; nothing is counted down.
    pub fn forbids(&self, method: &str, keys: &[String], now: Timestamp) -> bool {
        self.ordered.iter().any(|fault| {
            matches!(fault.effect, FaultEffect::Forbid {}) && fault.applies(method, keys, now)
        })
    }

    /// Whether a cluster's own API cannot be reached: whether connections hang, and until when.
    pub fn unreachable(&self, id: &ClusterId, now: Timestamp) -> Option<(bool, Option<Timestamp>)> {
        let keys = kubernetes_paths(id, "/");
        self.ordered.iter().find_map(|fault| {
            let FaultEffect::Unreachable { hang } = fault.effect else { return None };
            fault.applies(&fault.method, &keys, now).then_some((hang, fault.until))
        })
    }

    /// Whether client certificates are refused in the handshake.
    pub fn refuses_handshakes(&self, id: &ClusterId, now: Timestamp) -> bool {
        let keys = kubernetes_paths(id, "/");
        self.ordered.iter().any(|fault| {
            matches!(fault.effect, FaultEffect::RefuseHandshake {})
                && fault.applies(&fault.method, &keys, now)
        })
    }

    /// From now on reads of a cluster show this for a while.
    pub fn serve_stale(
        &mut self,
        id: ClusterId,
        now: Timestamp,
        milliseconds: u64,
        before: wire::Cluster,
    ) {
        let lasts =
            SignedDuration::try_from(Duration::from_millis(milliseconds)).unwrap_or_default();
        let until = now.saturating_add(lasts).unwrap_or(now);
        self.stale.insert(id, (until, before));
    }

    /// What reads of a cluster show instead of the truth, if they are stale.
    pub fn stale_answer(&mut self, id: &ClusterId, now: Timestamp) -> Option<wire::Cluster> {
        match self.stale.get(id) {
            Some((until, before)) if now < *until => Some(before.clone()),
            Some(_) => {
                self.stale.remove(id);
                None
            }
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::domain::cluster::ClusterId;
    use crate::simulator::faults::{Fault, FaultEffect, Faults, kubernetes_paths};

    #[test]
    fn faults_meet_the_requests_that_they_name_and_no_others() {
        let id = ClusterId::new("p", "eu01", "alpha");
        let now = Timestamp::UNIX_EPOCH;
        let nodes = kubernetes_paths(&id, "/api/v1/nodes");
        let ske = ["/v2/projects/p/regions/eu01/clusters/alpha".to_owned()];
        for (path, meets_nodes, meets_ske) in [
            ("kubernetes/alpha/", true, false),
            ("kubernetes/alpha/api/v1/nodes", true, false),
            ("kubernetes/alpha/api/v1/pods", false, false),
            ("kubernetes/*/api/v1/nodes", true, false),
            ("kubernetes/p/eu01/alpha/", true, false),
            ("kubernetes/p/eu02/alpha/", false, false),
            ("kubernetes/bravo/", false, false),
            ("alpha", false, true),
            ("", false, true),
        ] {
            let mut faults = Faults::default();
            faults.add(Fault::new("", path, None, FaultEffect::Drop {}), now);
            assert_eq!(!faults.take_effects("GET", &nodes, now).is_empty(), meets_nodes, "{path}");
            assert_eq!(!faults.take_effects("GET", &ske, now).is_empty(), meets_ske, "{path}");
        }
    }

    #[test]
    fn faults_end_by_count_and_by_time() {
        let now = Timestamp::UNIX_EPOCH;
        let keys = ["/x".to_owned()];
        let mut faults = Faults::default();
        let mut fault = Fault::new("GET", "/x", Some(1), FaultEffect::Drop {});
        fault.after = 1;
        faults.add(fault, now);
        assert_eq!(faults.take_effects("POST", &keys, now).len(), 0);
        assert_eq!(faults.take_effects("GET", &keys, now).len(), 0);
        assert_eq!(faults.take_effects("GET", &keys, now).len(), 1);
        assert_eq!(faults.take_effects("GET", &keys, now).len(), 0);
        faults.add(Fault::new("", "/x", None, FaultEffect::Drop {}).for_seconds(60), now);
        assert_eq!(faults.take_effects("GET", &keys, now).len(), 1);
        let later = now + jiff::SignedDuration::from_secs(60);
        assert_eq!(faults.take_effects("GET", &keys, later).len(), 0);
    }
}
