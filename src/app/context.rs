//! The context of a feature's update, besides its own state.

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::app::activity::state::Activity;
use crate::app::effect::{Effect, Request, TerminalEffect};
use crate::app::event::Event;
use crate::app::fleet::state::Fleet;
use crate::app::notices::{Notices, ToastAbout};
use crate::app::requests::{RequestId, RequestOwner, Requests};
use crate::app::shared::Shared;
use crate::domain::cluster::ClusterId;
use crate::domain::record::{Outcome, Record};

/// Output of updates: effects for the runtime, events for other features.
#[derive(Debug, Default)]
pub struct Outbox {
    pub effects: Vec<Effect>,
    pub events: VecDeque<Event>,
}

/// The context of a feature's update, besides its own state. The fleet's own updates already have the fleet.
pub struct UpdateContext<'a, F = &'a Fleet> {
    pub shared: &'a Shared,
    pub fleet: F,
    pub requests: &'a mut Requests,
    pub notices: &'a mut Notices,
    pub activity: &'a mut Activity,
    pub out: &'a mut Outbox,
}

/// Builds an `UpdateContext` by borrowing from the state, except for the feature's own part.
macro_rules! context {
    ($state:expr, $out:expr) => {
        $crate::app::context::context!($state, $out, &$state.fleet)
    };
    ($state:expr, $out:expr, $fleet:expr) => {
        &mut $crate::app::context::UpdateContext {
            shared: &$state.shared,
            fleet: $fleet,
            requests: &mut $state.requests,
            notices: &mut $state.notices,
            activity: &mut $state.activity,
            out: $out,
        }
    };
}
pub(in crate::app) use context;

/// What is known of rotations when a record is written.
pub trait KnownStarts {
    /// The start, as reported by SKE, of the open rotation of a cluster, or of the one whose credentials are tried.
    fn rotation_started(&self, id: &ClusterId, action: &str) -> Option<Timestamp>;
}

impl KnownStarts for &Fleet {
    fn rotation_started(&self, id: &ClusterId, action: &str) -> Option<Timestamp> {
        let read = self.entries.get(id).filter(|entry| !entry.is_last_known())?;
        let rotation = &read.cluster.rotation;
        rotation.start().filter(|_| rotation.phase.is_open() || action == "credentials")
    }
}

impl KnownStarts for () {
    fn rotation_started(&self, _: &ClusterId, _: &str) -> Option<Timestamp> {
        None
    }
}

impl<F: KnownStarts> UpdateContext<'_, F> {
    /// Shows the result of a user action.
    pub fn toast(&mut self, text: impl Into<String>) {
        self.notices.answer(self.shared.now, text.into());
    }

    /// Shows an observation as a toast.
    pub fn toast_about(&mut self, about: ToastAbout, text: impl Into<String>) {
        self.notices.toast_about(self.shared.now, about, text.into());
    }

    /// Raises an event for the other features.
    pub fn raise(&mut self, event: Event) {
        self.out.events.push_back(event);
    }

    /// Sends an effect that has no answer.
    pub fn effect(&mut self, effect: Effect) {
        self.out.effects.push(effect);
    }

    /// Sends a terminal effect.
    pub fn terminal(&mut self, effect: TerminalEffect) {
        self.effect(Effect::Terminal(effect));
    }

    /// Sends a request; its answer is applied through its owner.
    pub fn request(&mut self, owner: RequestOwner, request: Request) -> RequestId {
        let id = self.requests.begin(owner);
        self.effect(Effect::Request(id, request));
        id
    }

    /// Sends a request that changes something. The journal gets a record with this verb and text before anything is
    /// sent.
    pub fn request_logged(
        &mut self,
        owner: RequestOwner,
        cluster: &ClusterId,
        (verb, text): (&str, String),
        request: impl FnOnce(Box<Record>) -> Request,
    ) -> RequestId {
        let id = self.requests.begin(owner);
        let intent = self.record(Some(cluster), verb, Outcome::Intended, text);
        let intent = self.about(intent, id, None);
        self.requests.keep_intent(id, intent.clone());
        self.effect(Effect::Request(id, request(Box::new(intent))));
        id
    }

    /// Reads one cluster, unless a read newer than `after` is already pending.
    pub fn read_cluster(&mut self, id: &ClusterId, after: RequestId) {
        if !self.requests.reads_cluster(id, after) {
            self.request(RequestOwner::Cluster(id.clone()), Request::Read(id.clone()));
        }
    }

    /// Copies text that is not secret; `what` describes it.
    pub fn copy(&mut self, what: &str, text: String) {
        self.request(RequestOwner::Copy(what.to_owned()), Request::CopyText(text));
    }

    /// A record of the current user, with the current time.
    pub fn record(
        &self,
        cluster: Option<&ClusterId>,
        action: &str,
        outcome: Outcome,
        text: impl Into<String>,
    ) -> Record {
        Record {
            at: self.shared.now.wall,
            who: self.shared.who(),
            cluster: cluster.cloned(),
            action: action.to_owned(),
            request: None,
            outcome,
            text: text.into(),
            expires: None,
            trace: None,
            findings: Vec::new(),
            rotation_started: cluster.and_then(|id| self.fleet.rotation_started(id, action)),
        }
    }

    /// Links a record to a request and the server's trace id for it.
    pub fn about(&self, record: Record, request: RequestId, trace: Option<String>) -> Record {
        record.about(self.requests.journal_name(request), trace)
    }

    /// Adds a record to the activity.
    pub fn add_record(&mut self, record: Record) {
        self.activity.push(record);
    }

    /// Adds a record to the activity and the journal.
    pub fn journal(&mut self, record: Record) {
        self.add_record(record.clone());
        self.effect(Effect::Journal(Box::new(record)));
    }
}
