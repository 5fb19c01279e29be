//! Reads the kubeconfig files of this machine, moves in the list of a cluster's credentials, and tries after a rotation
//! what was predicted of them.

use crate::app::context::UpdateContext;
use crate::app::credentials::state::{InventoryState, Prediction};
use crate::app::credentials::text;
use crate::app::effect::Request;
use crate::app::keymap::Command;
use crate::app::motion::moved;
use crate::app::requests::RequestOwner;
use crate::app::screen::Metrics;
use crate::domain::cluster::{Cluster, ClusterId};
use crate::domain::credential::{
    Credentials, KnownCredential, KubeconfigLocation, Proof, Trial, Verdict,
};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::kubeconfig::token_alone;
use crate::domain::record::Outcome;
use crate::domain::rotation::Phase;

/// Reads the files anew: the usual ones, the configured ones, and those that skeys wrote.
pub fn read(credentials: &Credentials, cx: &mut UpdateContext<'_>) {
    let more = cx.shared.settings.search.iter().cloned().chain(credentials.files()).collect();
    cx.request(RequestOwner::Inventory, Request::ReadInventory(more));
}

/// Moves the cursor among the rows that were drawn.
pub fn run(inventory: &mut InventoryState, command: Command, metrics: &Metrics) {
    let last = metrics.scroll_last;
    if let Some(next) = moved(command, inventory.cursor.min(last), metrics.page(), last) {
        inventory.cursor = next;
    }
}

/// Text was pasted into the tab: a token is judged, and only what it says of itself is kept.
pub fn paste(inventory: &mut InventoryState, pasted: &str, cx: &mut UpdateContext<'_>) {
    inventory.pasted = token_alone(pasted);
    if inventory.pasted.is_none() {
        cx.toast(text::NO_TOKEN);
    }
}

/// A reading came. While a rotation is open, what is `known` of it is predicted; once it is completed, that is tried.
pub fn cluster_read(
    inventory: &mut InventoryState,
    cluster: &Cluster,
    known: Vec<KnownCredential>,
    cx: &mut UpdateContext<'_>,
) {
    let id = &cluster.id;
    let Some(start) = cluster.rotation.initiated else { return };
    match cluster.rotation.phase {
        Phase::Preparing | Phase::Prepared => {
            let known = known.into_iter().filter(|known| known.verdict != Verdict::Expired);
            let verdicts: Vec<_> = known.map(|known| (known.place, known.verdict)).collect();
            // Of most clusters of a large fleet no credential is known.
            if verdicts.is_empty() {
                inventory.predicted.remove(id);
            } else {
                inventory.predicted.insert(id.clone(), Prediction { start, verdicts });
            }
            inventory.trials.remove(id);
        }
        Phase::Completed if !inventory.trials.contains_key(id) => {
            let predicted =
                inventory.predicted.get(id).filter(|predicted| predicted.start == start);
            let places = predicted.into_iter().flat_map(|predicted| &predicted.verdicts);
            let places: Vec<KubeconfigLocation> = places.map(|(place, _)| place.clone()).collect();
            if !places.is_empty() {
                inventory.trials.insert(id.clone(), Vec::new());
                cx.request(RequestOwner::Trials(id.clone()), Request::TryCredentials(places));
            }
        }
        Phase::Completed | Phase::Completing | Phase::Never | Phase::Unknown(_) => {}
    }
}

/// What came of trying: compared with what was predicted, recorded, and loud where it differs.
pub fn tried(
    inventory: &mut InventoryState,
    (id, label): (&ClusterId, String),
    tried: Vec<(KubeconfigLocation, Trial)>,
    cx: &mut UpdateContext<'_>,
) {
    let verdicts = inventory.predicted.get(id).map(|predicted| predicted.verdicts.clone());
    let mut counts = Proof::default();
    let mut differing = Vec::new();
    for (place, verdict) in verdicts.into_iter().flatten() {
        let Some((_, trial)) = tried.iter().find(|(tried, _)| *tried == place) else { continue };
        let is_as_predicted = counts.count(verdict, trial);
        if !is_as_predicted {
            differing.push(place.words());
        }
    }
    let summary = text::proof(&counts);
    let text = match differing.as_slice() {
        [] => summary,
        places => text::proof_differs(summary, places.join(", ")),
    };
    let record = cx.record(Some(id), "credentials", Outcome::Seen, text.clone());
    cx.journal(record);
    if differing.is_empty() {
        cx.toast(text::of_cluster(label, text));
    } else {
        let problem = Failure::new(FailureKind::Refused, text::of_cluster(label, text));
        cx.error(problem.hint(text::PROOF_HINT));
    }
    inventory.trials.insert(id.clone(), tried);
}
