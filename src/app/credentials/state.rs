//! The contents of this machine's kubeconfig files, predictions about them, and the view state of the credentials tab.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::app::requests::RequestId;
use crate::domain::cluster::ClusterId;
use crate::domain::credential::{
    FoundContext, FoundFile, KnownCredential, KubeconfigLocation, SignIn, Trial, Verdict,
};

/// The contents of this machine's kubeconfig files, with predictions and view state.
#[derive(Debug, Clone, Default)]
pub struct InventoryState {
    /// `None` until the first read.
    pub files: Option<Arc<[FoundFile]>>,
    /// The latest answered request to read them; answers to earlier ones are outdated.
    pub read_by: RequestId,
    /// When they were last requested (monotonic clock); `None` if they are due.
    pub requested_at: Option<Duration>,
    /// Why they could not be read when that was tried last, in a clause.
    pub not_read: Option<String>,
    /// What was predicted of each rotation that was seen open.
    pub predicted: BTreeMap<ClusterId, Prediction>,
    /// Results of trying credentials after the last completed rotation.
    pub trials: BTreeMap<ClusterId, Vec<(KubeconfigLocation, Trial)>>,
    /// Row under the cursor of the credentials tab.
    pub cursor: usize,
    /// Facts about a pasted token, without the token itself.
    pub pasted: Option<SignIn>,
    /// Entries marked for renewal.
    pub marks: Vec<KubeconfigLocation>,
}

/// The predictions for one rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prediction {
    /// `lastInitiationTime` of the rotation.
    pub start: Timestamp,
    pub credentials: Vec<PredictedCredential>,
}

/// The prediction for one credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PredictedCredential {
    pub location: KubeconfigLocation,
    pub verdict: Verdict,
    /// The context's content at that time; if it differs later, the prediction no longer applies.
    pub content: Option<FoundContext>,
}

/// The content of the files at a location.
pub fn content_at(files: &[FoundFile], location: &KubeconfigLocation) -> Option<FoundContext> {
    let KubeconfigLocation::File { path, context, .. } = location else { return None };
    let file = files.iter().find(|file| file.is_at(path))?;
    file.contexts.iter().flatten().find(|found| found.context == *context).cloned()
}

/// A question whether to forget a credential: pinned to one, whatever happens to the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgetQuestion {
    pub cluster: ClusterId,
    pub created: Option<Timestamp>,
    pub known: KnownCredential,
    /// What happens then, in a sentence without a full stop.
    pub effect: String,
}

impl InventoryState {
    /// Resets the view for another cluster or tab.
    pub fn reset_view(&mut self) {
        (self.cursor, self.pasted) = (0, None);
    }

    /// Whether an entry is marked.
    pub fn is_marked(&self, location: &KubeconfigLocation) -> bool {
        self.marks.iter().any(|mark| mark.is_same_entry(location))
    }

    /// Marks or unmarks an entry.
    pub fn toggle(&mut self, location: KubeconfigLocation) {
        let before = self.marks.len();
        self.unmark(&location);
        if self.marks.len() == before {
            self.marks.push(location);
        }
    }

    /// Takes the mark of an entry back.
    pub fn unmark(&mut self, location: &KubeconfigLocation) {
        self.marks.retain(|mark| !mark.is_same_entry(location));
    }

    /// The result of trying a credential.
    pub fn trial(&self, id: &ClusterId, location: &KubeconfigLocation) -> Option<&Trial> {
        let mut tried = self.trials.get(id)?.iter();
        tried.find(|(tried, _)| tried.is_same_entry(location)).map(|(_, trial)| trial)
    }

    /// What was to be tried and could not be is due again, unless it is under way.
    pub fn try_again(&mut self, is_under_way: impl Fn(&ClusterId) -> bool) {
        self.trials.retain(|id, tried| !tried.is_empty() || is_under_way(id));
    }

    /// Nothing is known of a cluster any more.
    pub fn forget(&mut self, id: &ClusterId) {
        self.predicted.remove(id);
        self.trials.remove(id);
    }
}
