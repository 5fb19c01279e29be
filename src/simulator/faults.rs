//! Faults that can be injected, by code or with `POST /_simulator/faults`:
//! `{"method":"POST","path":"start-credentials-rotation","times":1,"effect":{"drop_after":{}}}`.
//! `DELETE /_simulator/faults` removes them all. Both require `SKEYS_SIMULATOR_TOKEN` as the bearer token.
//!
//! Faults of a cluster's Kubernetes API start with it in the path: `kubernetes/alpha/api/v1/nodes`,
//! `kubernetes/<project>/<region>/alpha/` if the name is ambiguous, `kubernetes/*/api/v1/secrets` for all.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use crate::clients::ske::wire;
use crate::domain::cluster::ClusterId;

/// One fault.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Method it applies to; empty means any.
    #[serde(default)]
    pub method: String,
    /// Part of the path it applies to; empty means any path of the cloud's own APIs.
    #[serde(default)]
    pub path: String,
    /// How often it applies; `None` means until removed.
    pub times: Option<u32>,
    /// Number of matching requests to skip first.
    #[serde(default)]
    pub after: u32,
    /// Seconds until it ends; `None` means until removed.
    pub lasting: Option<u64>,
    pub effect: FaultEffect,
    #[serde(skip)]
    until: Option<Timestamp>,
}

/// What a fault does to a request.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultEffect {
    Delay {
        milliseconds: u64,
    },
    /// Sends this response; the request has no effect.
    Answer {
        status: u16,
        #[serde(default)]
        body: String,
        retry_after: Option<String>,
        #[serde(default = "json")]
        content_type: String,
    },
    /// Closes the connection before the request takes effect.
    Drop {},
    /// Closes the connection without a response after the request took effect.
    DropAfter {},
    /// Closes the connection after this many bytes of the body.
    Truncate {
        bytes: usize,
    },
    Huge {
        bytes: usize,
    },
    /// Sets phase, state and error code to values that no client knows.
    #[serde(alias = "unknown_words")]
    UnknownValues {},
    /// After a matching write, reads return the previous state of the cluster for this long.
    Stale {
        milliseconds: u64,
    },
    Reverse {},
    /// Replaces the kubeconfig in a response.
    Kubeconfig {
        text: String,
    },
    /// Makes the kubeconfig in a response one that a client must not use.
    #[serde(alias = "strange_kubeconfig")]
    DefectiveKubeconfig {
        #[serde(alias = "what")]
        defect: KubeconfigDefect,
    },
    /// A Kubernetes API refuses connections, or leaves them unanswered.
    #[serde(alias = "away")]
    Unreachable {
        #[serde(default)]
        hang: bool,
    },
    /// A Kubernetes API rejects client certificates in the handshake, as a proxy in front of kube-apiserver may.
    RefuseHandshake {},
    /// Watches of a Kubernetes API are closed after this time.
    CutWatches {
        seconds: u64,
    },
    /// A Kubernetes API compacts all past versions before it responds, so that resumed watches get 410.
    Compact {},
    /// A Kubernetes API does not accept client certificates younger than this.
    #[serde(alias = "refuse_fresh")]
    RefuseNewCertificates {
        seconds: u32,
    },
    Forbid {},
    /// Nodes have no generation label, as with old versions of Gardener.
    StripLabels {},
    /// Node names and event messages contain terminal control characters.
    EscapeBytes {},
    /// A cluster's clock is ahead by this many seconds; negative if behind.
    ClockSkew {
        seconds: i32,
    },
}

/// The value of the first effect that matches a pattern.
macro_rules! find_effect {
    ($effects:expr, $pattern:pat => $value:expr) => {
        $effects.iter().find_map(|effect| if let $pattern = effect { Some($value) } else { None })
    };
}
pub(in crate::simulator) use find_effect;

/// The defect of a kubeconfig.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KubeconfigDefect {
    /// It executes a command.
    Exec,
    /// Its key is a file on the client's machine.
    FilePath,
    /// It disables verification of the server certificate.
    SkipVerify,
    /// Its server is another host.
    OtherHost,
}

fn json() -> String {
    "application/json".to_owned()
}

impl FaultEffect {
    /// A JSON response.
    pub fn answer(status: u16, body: &str) -> Self {
        Self::Answer { status, body: body.to_owned(), retry_after: None, content_type: json() }
    }
}

impl Fault {
    /// A fault for requests with this method and a part of the path.
    pub fn new(method: &str, path: &str, times: Option<u32>, effect: FaultEffect) -> Self {
        let (method, path) = (method.to_owned(), path.to_owned());
        Self { method, path, times, after: 0, lasting: None, effect, until: None }
    }

    /// Delays every request.
    pub fn delay(path: &str, seconds: u64) -> Self {
        let milliseconds = seconds.saturating_mul(1_000);
        Self::new("", path, None, FaultEffect::Delay { milliseconds })
    }

    /// A fault of one cluster's Kubernetes API; the path may be empty.
    pub fn for_cluster(name: &str, path: &str, effect: FaultEffect) -> Self {
        Self::new("", &format!("{KUBERNETES}{name}/{}", path.trim_start_matches('/')), None, effect)
    }

    /// Ends it after `seconds`.
    #[must_use]
    pub fn for_seconds(mut self, seconds: u64) -> Self {
        self.lasting = Some(seconds);
        self
    }

    /// Rejects impossible values: invalid statuses, sizes and headers.
    ///
    /// # Errors
    /// Names the field and the reason.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other effects have no limits")]
    pub fn check(&self) -> Result<(), String> {
        let is_header = |text: &str| http::HeaderValue::from_str(text).is_ok();
        match &self.effect {
            FaultEffect::Answer { status, .. } if !(200..=599).contains(status) => {
                Err(format!("status is {status}; an answer has 200 to 599"))
            }
            FaultEffect::Answer { retry_after: Some(text), .. } if !is_header(text) => {
                Err("retry_after is no value of a header".to_owned())
            }
            FaultEffect::Answer { content_type, .. } if !is_header(content_type) => {
                Err("content_type is no value of a header".to_owned())
            }
            FaultEffect::Huge { bytes } if *bytes > LARGEST_ANSWER => {
                Err(format!("bytes is {bytes}; at most {LARGEST_ANSWER} are sent"))
            }
            FaultEffect::Delay { milliseconds } if *milliseconds > LONGEST_DELAY => {
                Err(format!("milliseconds is {milliseconds}; at most {LONGEST_DELAY} are waited"))
            }
            _ if self.times == Some(0) => Err("times is 0; the fault would never apply".to_owned()),
            _ => Ok(()),
        }
    }

    fn applies(&self, method: &str, paths: &[String], now: Timestamp) -> bool {
        let of_cluster = paths.first().is_some_and(|path| path.starts_with(KUBERNETES));
        of_cluster == self.path.starts_with(KUBERNETES)
            && (self.method.is_empty() || self.method == method)
            && paths.iter().any(|path| path.contains(&self.path))
            && self.is_active(now)
    }

    fn is_active(&self, now: Timestamp) -> bool {
        self.times != Some(0) && self.until.is_none_or(|until| now < until)
    }
}

/// Maximum size of a generated response, in bytes.
const LARGEST_ANSWER: usize = 256 * 1024 * 1024;
/// Maximum delay of a request, in milliseconds.
const LONGEST_DELAY: u64 = 24 * 3_600_000;
/// Path prefix of clusters' Kubernetes APIs.
pub const KUBERNETES: &str = "kubernetes/";

/// The paths that match a request to a cluster's Kubernetes API in a fault.
pub fn kubernetes_paths(id: &ClusterId, path: &str) -> Vec<String> {
    vec![
        format!("{KUBERNETES}{}{path}", id.name),
        format!("{KUBERNETES}*{path}"),
        format!("{KUBERNETES}{}/{}/{}{path}", id.project(), id.region(), id.name),
    ]
}

/// Injected faults, and clusters whose reads are stale.
#[derive(Debug, Default)]
pub struct Faults {
    injected: Vec<Fault>,
    stale: BTreeMap<ClusterId, (Timestamp, wire::Cluster)>,
}

impl Faults {
    /// Adds a fault.
    pub fn add(&mut self, mut fault: Fault, now: Timestamp) {
        fault.until =
            fault.lasting.and_then(|seconds| now.saturating_add(Duration::from_secs(seconds)).ok());
        self.injected.push(fault);
    }

    /// Removes all faults.
    pub fn clear(&mut self) {
        self.injected.clear();
        self.stale.clear();
    }

    /// The effects on a request, in injection order; decrements their counts.
    pub fn take_effects(
        &mut self,
        method: &str,
        paths: &[String],
        now: Timestamp,
    ) -> Vec<FaultEffect> {
        let mut effects = Vec::new();
        for fault in &mut self.injected {
            let applies = fault.applies(method, paths, now);
            if applies && fault.after > 0 {
                fault.after -= 1;
            } else if applies {
                fault.times = fault.times.map(|times| times - 1);
                effects.push(fault.effect.clone());
            }
        }
        self.injected.retain(|fault| fault.is_active(now));
        effects
    }

    /// Whether a request would be forbidden; counts are not decremented.
    pub fn forbids(&self, method: &str, paths: &[String], now: Timestamp) -> bool {
        self.injected.iter().any(|fault| {
            matches!(fault.effect, FaultEffect::Forbid {}) && fault.applies(method, paths, now)
        })
    }

    /// Whether a Kubernetes API is unreachable: if connections hang, and until when.
    pub fn unreachable(&self, id: &ClusterId, now: Timestamp) -> Option<(bool, Option<Timestamp>)> {
        self.of_cluster(id, now).find_map(|fault| {
            let FaultEffect::Unreachable { hang } = fault.effect else { return None };
            Some((hang, fault.until))
        })
    }

    /// Whether a Kubernetes API rejects client certificates in the handshake.
    pub fn refuses_handshakes(&self, id: &ClusterId, now: Timestamp) -> bool {
        self.of_cluster(id, now)
            .any(|fault| matches!(fault.effect, FaultEffect::RefuseHandshake {}))
    }

    fn of_cluster(&self, id: &ClusterId, now: Timestamp) -> impl Iterator<Item = &Fault> {
        let paths = kubernetes_paths(id, "/");
        self.injected.iter().filter(move |fault| fault.applies(&fault.method, &paths, now))
    }

    /// Makes reads return this state of a cluster for a while.
    pub fn serve_stale(
        &mut self,
        id: ClusterId,
        now: Timestamp,
        milliseconds: u64,
        before: wire::Cluster,
    ) {
        let until = now.saturating_add(Duration::from_millis(milliseconds)).unwrap_or(now);
        self.stale.insert(id, (until, before));
    }

    /// The stale state that reads of a cluster return, if any.
    pub fn stale_answer(&self, id: &ClusterId, now: Timestamp) -> Option<wire::Cluster> {
        let (until, before) = self.stale.get(id)?;
        (now < *until).then(|| before.clone())
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
