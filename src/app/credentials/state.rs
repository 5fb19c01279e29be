//! What the kubeconfig files of this machine hold, what was predicted of it, and the place in the list of a cluster's
//! credentials.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::cluster::ClusterId;
use crate::domain::credential::{
    FoundContext, FoundFile, KubeconfigLocation, SignIn, Trial, Verdict,
};

/// What the kubeconfig files of this machine hold.
#[derive(Debug, Clone, Default)]
pub struct InventoryState {
    /// `None` until they were read.
    pub files: Option<Arc<[FoundFile]>>,
    /// Why they could not be read when that was tried last, in a clause.
    pub not_read: Option<String>,
    /// What was predicted of each rotation that was seen open.
    pub predicted: BTreeMap<ClusterId, Prediction>,
    /// What came of trying, after the last rotation that was completed.
    pub trials: BTreeMap<ClusterId, Vec<(KubeconfigLocation, Trial)>>,
    /// Row under the cursor of the credentials tab.
    pub cursor: usize,
    /// A token that was pasted to be judged, without the token.
    pub pasted: Option<SignIn>,
    /// Entries that are marked to be renewed.
    pub marks: Vec<KubeconfigLocation>,
}

/// What was predicted of a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prediction {
    /// `lastInitiationTime` of the rotation.
    pub start: Timestamp,
    pub credentials: Vec<PredictedCredential>,
}

/// What was predicted of one credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PredictedCredential {
    pub place: KubeconfigLocation,
    pub verdict: Verdict,
    /// What its file contained; if another credential is there now, it does not count for the prediction.
    pub content: Option<FoundContext>,
}

/// What the files have at a place.
pub fn content_at(files: &[FoundFile], place: &KubeconfigLocation) -> Option<FoundContext> {
    let KubeconfigLocation::File { path, context, .. } = place else { return None };
    let file = files.iter().find(|file| file.is_at(path))?;
    file.contexts.iter().flatten().find(|found| found.context == *context).cloned()
}

impl InventoryState {
    /// Another cluster or tab begins at its first row.
    pub fn rewind(&mut self) {
        (self.cursor, self.pasted) = (0, None);
    }

    /// Whether an entry is marked.
    pub fn is_marked(&self, place: &KubeconfigLocation) -> bool {
        self.marks.iter().any(|mark| mark.is_same_entry(place))
    }

    /// Marks an entry, or takes its mark back.
    pub fn toggle(&mut self, place: KubeconfigLocation) {
        let before = self.marks.len();
        self.unmark(&place);
        if self.marks.len() == before {
            self.marks.push(place);
        }
    }

    /// Takes the mark of an entry back.
    pub fn unmark(&mut self, place: &KubeconfigLocation) {
        self.marks.retain(|mark| !mark.is_same_entry(place));
    }

    /// What came of trying a credential.
    pub fn trial(&self, id: &ClusterId, place: &KubeconfigLocation) -> Option<&Trial> {
        let mut tried = self.trials.get(id)?.iter();
        tried.find(|(tried, _)| tried.is_same_entry(place)).map(|(_, trial)| trial)
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
