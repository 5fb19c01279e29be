//! Faults that can be ordered, by code or with `POST /_simulator/faults`:
//! `{"method":"POST","path":"start-credentials-rotation","times":1,"effect":{"drop_after":{}}}`.
//! `DELETE /_simulator/faults` takes all back.

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
    /// Part of the path it applies to; empty means any.
    #[serde(default)]
    pub path: String,
    /// How often; `None` means until taken back.
    #[serde(default)]
    pub times: Option<u32>,
    /// How many requests that it would meet pass unharmed first.
    #[serde(default)]
    pub after: u32,
    /// What happens.
    pub effect: Effect,
}

/// What a fault does to a request.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Holds the request this many milliseconds, then answers as usual.
    Delay {
        /// Milliseconds.
        milliseconds: u64,
    },
    /// Answers so, without any effect.
    Answer {
        /// HTTP status.
        status: u16,
        /// Body as it is.
        #[serde(default)]
        body: String,
        /// Retry-After as it is.
        #[serde(default)]
        retry_after: Option<String>,
        /// Content type.
        #[serde(default = "json")]
        content_type: String,
    },
    /// Closes the connection before anything takes effect.
    Drop {},
    /// Lets it take effect, then closes the connection without an answer.
    DropAfter {},
    /// Answers, but cuts the body after this many bytes.
    Truncate {
        /// Bytes.
        bytes: usize,
    },
    /// Answers with a body of this many bytes.
    Huge {
        /// Bytes.
        bytes: usize,
    },
    /// Writes words that no client knows into phase, state and error code.
    UnknownWords {},
    /// After a write that matches, reads show the cluster as before for this many milliseconds.
    Stale {
        /// Milliseconds.
        milliseconds: u64,
    },
    /// Turns the order of lists round.
    Reverse {},
    /// Replaces the kubeconfig text of an answer.
    Kubeconfig {
        /// Text.
        text: String,
    },
}

fn json() -> String {
    "application/json".to_owned()
}

impl Effect {
    /// An answer in JSON, without any effect.
    pub fn answer(status: u16, body: &str) -> Self {
        Self::Answer { status, body: body.to_owned(), retry_after: None, content_type: json() }
    }
}

impl Fault {
    /// A fault for requests with this method and part of a path.
    pub fn new(method: &str, path: &str, times: Option<u32>, effect: Effect) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), times, after: 0, effect }
    }

    /// A delay of whole seconds, as often as it comes.
    pub fn slow(path: &str, seconds: u64) -> Self {
        let milliseconds = seconds.saturating_mul(1_000);
        Self::new("", path, None, Effect::Delay { milliseconds })
    }
}

/// Faults that are ordered, and clusters whose reads are stale.
#[derive(Debug, Default)]
pub struct Faults {
    ordered: Vec<Fault>,
    stale: BTreeMap<ClusterId, (Timestamp, wire::Cluster)>,
}

impl Faults {
    /// Orders one more.
    pub fn order(&mut self, fault: Fault) {
        self.ordered.push(fault);
    }

    /// Takes all back.
    pub fn clear(&mut self) {
        self.ordered.clear();
        self.stale.clear();
    }

    /// The effects on a request, in the order in which they were ordered; counts them down.
    pub fn effects(&mut self, method: &str, path: &str) -> Vec<Effect> {
        let mut effects = Vec::new();
        for fault in &mut self.ordered {
            let applies = (fault.method.is_empty() || fault.method == method)
                && path.contains(&fault.path)
                && fault.times != Some(0);
            if applies && fault.after > 0 {
                fault.after -= 1;
            } else if applies {
                fault.times = fault.times.map(|times| times - 1);
                effects.push(fault.effect.clone());
            }
        }
        self.ordered.retain(|fault| fault.times != Some(0));
        effects
    }

    /// From now on reads of a cluster show this for a while.
    pub fn freeze(
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
    pub fn frozen(&mut self, id: &ClusterId, now: Timestamp) -> Option<wire::Cluster> {
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
