//! Every kubeconfig known to this program, each with its verdict.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::cluster::{Cluster, ClusterId, is_same_creation};
use crate::domain::credential::access::Access;
use crate::domain::credential::generation::Issuance;
use crate::domain::credential::verdict::{Verdict, verdict};
use crate::domain::lenient::{or_default, usable_items};

/// Kubeconfigs kept while it is not known which of them have expired.
const UNPRUNED: usize = 2_000;

/// References kept per cluster; the oldest are dropped.
const REFERENCES: usize = 8;

/// Certificate facts of a kubeconfig that no longer exists; used to tell generations apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    #[serde(flatten)]
    pub cluster: ClusterId,
    /// When that cluster was created, if SKE reported it.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    pub issuance: Issuance,
}

impl Reference {
    fn is_of(&self, cluster: &Cluster) -> bool {
        self.cluster == cluster.id && is_same_creation(self.created, cluster.created)
    }
}

/// Every kubeconfig known to this program.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Credentials {
    /// Those delivered to the user, oldest first.
    #[serde(default)]
    pub accesses: Vec<Access>,
    /// Those that only tell generations apart, oldest first.
    #[serde(default, deserialize_with = "usable_items")]
    pub references: Vec<Reference>,
}

impl Credentials {
    /// Those of one cluster.
    #[must_use]
    pub fn of(&self, cluster: &Cluster) -> Self {
        let references = self.references.iter().filter(|reference| reference.is_of(cluster));
        Self {
            accesses: self.accesses.iter().filter(|a| a.is_of(cluster)).cloned().collect(),
            references: references.cloned().collect(),
        }
    }

    /// Files that kubeconfigs were saved to, in shown form.
    pub fn files(&self) -> Vec<String> {
        let entries = self.accesses.iter().filter_map(|access| access.location.entry());
        entries.map(|(path, _)| path.to_owned()).collect()
    }

    /// What SKE issued for a cluster, if its certificates were recorded. If only one creation time is known, it
    /// may be for another cluster with the same name, and proves nothing.
    pub fn known_of(&self, cluster: &Cluster) -> Vec<&Issuance> {
        let is_of = |id: &ClusterId, created| *id == cluster.id && created == cluster.created;
        let accesses = self.accesses.iter().filter(|access| is_of(&access.cluster, access.created));
        let references = self.references.iter().filter(|one| is_of(&one.cluster, one.created));
        accesses
            .filter_map(|access| access.issuance.as_ref())
            .chain(references.map(|reference| &reference.issuance))
            .collect()
    }

    /// The kubeconfigs delivered to the user for a cluster, each with its verdict, oldest first.
    pub fn verdicts(&self, cluster: &Cluster, now: Timestamp) -> Vec<(&Access, Verdict)> {
        let is_mine = |access: &&Access| access.is_of(cluster) && !access.forgotten;
        let mine: Vec<&Access> = self.accesses.iter().filter(is_mine).collect();
        if mine.is_empty() {
            return Vec::new();
        }
        let known = self.known_of(cluster);
        let verdict = |access: &Access| {
            let verdict = verdict(access, &known, &cluster.rotation, now);
            // It may be for an earlier cluster with the same name.
            let is_unsure = access.created != cluster.created && verdict != Verdict::Expired;
            if is_unsure { Verdict::CannotTell } else { verdict }
        };
        mine.into_iter().map(|access| (access, verdict(access))).collect()
    }

    /// Adds a delivered kubeconfig. It replaces what was at the same place.
    pub fn put(&mut self, access: Access) {
        self.drop_if(|earlier| access.location.replaces(&earlier.location));
        self.accesses.push(access);
    }

    /// Drops what no longer exists; keeps what it tells about generations.
    fn drop_if(&mut self, gone: impl Fn(&Access) -> bool) {
        let (gone, kept) = std::mem::take(&mut self.accesses).into_iter().partition(gone);
        self.accesses = kept;
        let gone: Vec<Access> = gone;
        for Access { cluster, created, issuance, .. } in gone {
            if let Some(issuance) = issuance {
                self.note(Reference { cluster, created, issuance });
            }
        }
    }

    /// Adds a reference that distinguishes generations; returns whether it is new.
    pub fn note(&mut self, reference: Reference) -> bool {
        let tells_same = |known: &Reference| {
            known.cluster == reference.cluster
                && known.created == reference.created
                && known.issuance.tells_same(&reference.issuance)
        };
        if self.references.iter().any(tells_same) {
            return false;
        }
        let of_cluster = |known: &Reference| known.cluster == reference.cluster;
        if self.references.iter().filter(|known| of_cluster(known)).count() >= REFERENCES
            && let Some(oldest) = self.references.iter().position(of_cluster)
        {
            self.references.remove(oldest);
        }
        self.references.push(reference);
        true
    }

    /// Merges the knowledge of another instance of the program. Duplicates are kept once; of two deliveries to the same
    /// place the later one wins.
    pub fn join(&mut self, theirs: Self) {
        for access in theirs.accesses {
            let is_known = |known: &Access| {
                (&known.cluster, known.issued, known.expires, &known.location)
                    == (&access.cluster, access.issued, access.expires, &access.location)
            };
            if let Some(known) = self.accesses.iter_mut().find(|known| is_known(known)) {
                known.created = known.created.or(access.created);
                known.issuance = known.issuance.take().or(access.issuance);
                known.forgotten |= access.forgotten;
            } else {
                self.accesses.push(access);
            }
        }
        // Replacements apply in chronological order, whichever instance made them.
        let mut all = std::mem::take(&mut self.accesses);
        all.sort_by_key(|access| access.issued);
        for access in all {
            self.put(access);
        }
        for reference in theirs.references {
            self.note(reference);
        }
    }

    /// Drops what has expired by SKE's clock. The local clock may be wrong, and a forgotten kubeconfig may still work:
    /// if the time by SKE's clock is not known, only the oldest of very many are dropped.
    pub fn prune(&mut self, server_now: Option<Timestamp>) {
        if let Some(now) = server_now {
            self.drop_if(|access| access.is_expired(now));
        } else if let Some(excess) = self.accesses.len().checked_sub(UNPRUNED) {
            let mut ends: Vec<Option<Timestamp>> = self.accesses.iter().map(Access::ends).collect();
            // Those without an end come last: they may work for ever.
            ends.sort_unstable_by_key(|end| end.unwrap_or(Timestamp::MAX));
            if let Some(kept_from) = ends.get(excess).copied() {
                let kept_from = kept_from.unwrap_or(Timestamp::MAX);
                self.drop_if(|access| access.ends().is_some_and(|end| end < kept_from));
            }
        }
    }
}
