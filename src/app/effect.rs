//! Everything the machine can ask of the world: data only. Each variant names the message that answers it.

use crate::app::message::{RequestId, Sequence};
use crate::app::status::Status;
use crate::domain::action::Action;
use crate::domain::cluster::{Cluster, ClusterId, ProjectId, Scope};
use crate::domain::kept::Kept;
use crate::domain::kubeconfig::{Destination, Fresh, Kind, Known, MergeOptions};
use crate::domain::lifetime::Lifetime;
use crate::domain::record::Record;
use crate::domain::rotation::Step;
use crate::domain::secret::Secret;

/// Something to be done by the runtime.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Find out who we are (`Identified`).
    Identify,
    /// Learn the names of projects (`Named`).
    NameProjects(Vec<ProjectId>),
    /// List one scope (`Listed`).
    List {
        /// Number of the read.
        sequence: Sequence,
        /// What to list.
        scope: Scope,
    },
    /// Read one cluster (`Read`).
    Read {
        /// Number of the read.
        sequence: Sequence,
        /// Which one.
        id: ClusterId,
    },
    /// Read the cluster, compare it with what the person saw, then send the step once (`Rotated`).
    Rotate {
        /// Number of the request.
        request: RequestId,
        /// Which step.
        step: Step,
        /// What the dialog showed.
        shown: Box<Cluster>,
        /// Line for the journal, written before anything is sent.
        intent: Box<Record>,
    },
    /// Wake up or reconcile (`Acted`).
    Act {
        /// Number of the request.
        request: RequestId,
        /// Which cluster.
        id: ClusterId,
        /// What.
        action: Action,
        /// Line for the journal, written before anything is sent.
        intent: Box<Record>,
    },
    /// Look for static-token kubeconfigs of a cluster on this machine (`StaticTokensFound`).
    FindStaticTokens(ClusterId),
    /// Look at a cluster through its own API until `Unobserve` (`Sighted`, again and again).
    Observe {
        /// Number of this look; what it brings bears it.
        number: Sequence,
        /// As SKE showed it last.
        cluster: Box<Cluster>,
        /// Whether a person agreed that asking for a kubeconfig switches static tokens off.
        agreed: bool,
    },
    /// A newer reading of SKE for whoever looks at this cluster.
    Reading(Box<Cluster>),
    /// Look at a cluster no longer.
    Unobserve(ClusterId),
    /// Tell a person who may be looking elsewhere: bell, terminal, desktop.
    Notify {
        /// Which cluster, in words.
        title: String,
        /// What.
        text: String,
    },
    /// See what a destination looks like now and afterwards (`Planned`).
    Plan {
        /// Number of the read.
        sequence: Sequence,
        /// Where.
        destination: Destination,
        /// Under which name.
        context: String,
        /// What is known of the cluster, to tell its entries from those of another one.
        known: Known,
    },
    /// Ask SKE for a kubeconfig, once (`Issued`).
    Issue {
        /// Number of the request.
        request: RequestId,
        /// For which cluster.
        id: ClusterId,
        /// Which kind.
        kind: Kind,
        /// How long; only for the admin kind.
        lifetime: Lifetime,
        /// Destination that must be writable before anything is asked for.
        destination: Destination,
        /// Line for the journal, written before anything is sent.
        intent: Box<Record>,
    },
    /// Write a kubeconfig (`Saved`).
    Save {
        /// Number of the request.
        request: RequestId,
        /// Where.
        destination: Destination,
        /// What.
        fresh: Box<Fresh>,
        /// How.
        options: MergeOptions,
        /// Content that the person saw before confirming.
        fingerprint: Option<String>,
    },
    /// Copy a secret; it is cleared later (`Copied`).
    CopySecret {
        /// What it is, in words.
        what: String,
        /// The text.
        text: Secret,
    },
    /// Copy something that is no secret (`Copied`).
    CopyText {
        /// What it is, in words.
        what: String,
        /// The text.
        text: String,
    },
    /// Clear the clipboard if it still holds ours (`ClipboardCleared`).
    ClearClipboard,
    /// Append to the journal.
    Journal(Box<Record>),
    /// Keep between runs (`Recalled`).
    Remember(Box<Kept>),
    /// Learn what other instances of the program have issued meanwhile (`Recalled`).
    Recall,
    /// Something that the loop does itself, on the terminal it owns.
    Terminal(OnTerminal),
}

/// What is done on the terminal, in order, before the next message is taken.
#[derive(Debug, Clone)]
pub enum OnTerminal {
    /// Switch reporting of the mouse.
    Mouse(bool),
    /// Window title and terminal progress; `None` takes both back.
    Status(Option<Status>),
    /// Draw everything anew.
    Redraw,
    /// Go to the background (Ctrl-Z).
    Suspend,
    /// End the program; texts to print afterwards, in order.
    Quit {
        /// Kubeconfigs for standard output.
        print: Vec<Secret>,
    },
}
